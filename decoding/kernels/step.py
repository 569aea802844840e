"""The step on a CUDA device: the order of the kernels, and what a plan can do without."""

from __future__ import annotations

from torch import Tensor

from tether.decoding.kernels.batch import Batch, batch_of
from tether.decoding.kernels.cuts import Cuts
from tether.decoding.kernels.draw import draw
from tether.decoding.kernels.normalise import normalise
from tether.decoding.kernels.peak import best_blended, best_scores
from tether.decoding.kernels.score import Facts
from tether.decoding.kernels.search import MASS, RANK, TYPICAL, search
from tether.decoding.kernels.typical import mean_gap
from tether.decoding.plan import Choice, Inputs, Plan


def choose(plan: Plan, inputs: Inputs) -> Choice:
    """Choose one token for each row, equal to `reference.choose` within rounding.

    Nothing waits for the device. Logits of tokens that the mask refuses are read only where a
    plan asks for sums over the whole vocabulary: measures, views, mixtures, or a penalty.
    """
    batch = batch_of(plan, inputs)
    facts, on_mask = Facts(), None
    if plan.measured or any(part is not None for part in (batch.views, batch.taken, batch.seen)):
        norms, on_mask = normalise(batch, measured=plan.measured)
        facts = Facts(norms)
    if batch.head is not None:
        facts = facts._replace(best=best_blended(batch, facts))
    return draw(batch, facts, _truncate(plan, inputs, batch, facts), on_mask)


def _truncate(plan: Plan, inputs: Inputs, batch: Batch, facts: Facts) -> Cuts:
    """What top-k, top-p, min-p and typical-p keep, in turn."""
    if not (plan.sampled and plan.truncated):
        return Cuts()
    sampled = inputs.temperature > 0
    peak, tops = best_scores(batch, facts)
    cuts = Cuts(peak, tops)

    def found(goals: Tensor, active: Tensor, kind: int) -> Tensor:
        return search(batch, facts, cuts, goals, active & sampled, kind)

    if plan.top_k:
        cuts = cuts._replace(key=found(inputs.top_k, inputs.top_k > 0, RANK))
    if plan.top_p:
        cuts = cuts._replace(key=found(inputs.top_p, inputs.top_p < 1, MASS))
    if plan.min_p:
        cuts = cuts._replace(min_p=inputs.min_p)
    if plan.typical_p:
        cuts = cuts._replace(mean=mean_gap(batch, facts, cuts))
        cuts = cuts._replace(far=found(inputs.typical_p, inputs.typical_p < 1, TYPICAL))
    return cuts
