"""The step in plain torch: this is the definition that every fast path is tested against.

The order of operations is law (each step's reason stands at its function):

1. l = log-softmax over the whole vocabulary;
2. b = l plus additive evidence, then mixed with other distributions in probability space;
3. the plausibility head, inside the mask;
4. s = base * b + own * l + weighted log-probabilities of the views, on the head;
5. logit bias, repetition penalty;
6. for sampled rows: temperature and truncation (in the row's order), softmax, keyed Gumbel draw.

All in the dtype of the logits if that is float64, else in float32. With no contrast, no evidence
and no head, steps 2 to 4 are the mask alone; weights of zero give the same, bit for bit.

Sources: nucleus sampling, Holtzman et al. 2020 (arXiv 1904.09751); top-k, Fan et al. 2018
(1805.04833); min-p, Nguyen et al. 2024 (2407.01082); typical sampling, Meister et al. 2022
(2202.00666); repetition penalty, Keskar et al. 2019 (1909.05858), here on log-probabilities so
that a shift of the logits changes nothing; Gumbel-max, Maddison et al. 2014 (1411.0030);
plausibility head, Li et al. 2022 (2210.15097), here inside the mask.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tether.decoding.blend import blend, scatter, score, sound
from tether.decoding.noise import gumbel
from tether.decoding.plan import Choice, Inputs, Measures, Plan


def choose(plan: Plan, inputs: Inputs) -> Choice:
    """Choose one token a row; the definition of `tether.decoding.step.choose`."""
    log_p = torch.log_softmax(sound(inputs.logits), dim=1)
    allowed = torch.ones_like(log_p, dtype=torch.bool)
    if inputs.mask is not None:
        allowed = unpack(inputs.mask, log_p.shape[1])
    scores = score(blend(log_p, inputs), log_p, allowed, inputs)
    scores = penalise(add_bias(scores, inputs), inputs)
    if plan.sampled:
        scores = _draw_scores(plan, scores, inputs)
    token = scores.argmax(dim=1)  # ties: the lowest id
    return Choice(
        token=token,
        margin=_margin(scores),
        measures=_measure(log_p, allowed, token, _log_q(plan, scores, inputs, token)),
    )


def unpack(mask: Tensor, vocab: int) -> Tensor:
    """int32 [rows, words] -> bool [rows, vocab]."""
    bits = (mask[:, :, None] >> torch.arange(32, device=mask.device)) & 1
    return bits.flatten(1)[:, :vocab].bool()


def add_bias(scores: Tensor, inputs: Inputs) -> Tensor:
    """Add `bias` at `bias_ids`."""
    if inputs.bias_ids is None or inputs.bias is None:
        return scores
    return scatter(scores, inputs.bias_ids, inputs.bias)


def penalise(scores: Tensor, inputs: Inputs) -> Tensor:
    """Make seen tokens less likely: negative scores times the penalty, positive ones over it.

    After the contrast: a penalty on the model alone would read as a disagreement with the views.
    """
    if inputs.seen is None:
        return scores
    is_seen = torch.zeros(scores.shape, dtype=torch.int32, device=scores.device)
    is_seen.scatter_add_(1, inputs.seen.clamp(min=0), (inputs.seen >= 0).int())
    penalty = inputs.penalty[:, None].to(scores.dtype)
    lowered = torch.where(scores > 0, scores / penalty, scores * penalty)
    return torch.where(is_seen > 0, lowered, scores)


def shape(plan: Plan, scores: Tensor, inputs: Inputs) -> Tensor:
    """Temperature and truncation in each row's order, before the last softmax.

    The best score comes out as 0, so that no temperature, however low, can lose it.
    """
    before, after = divisors(inputs, scores.dtype)
    scores = (scores - scores.amax(dim=1, keepdim=True)) / before
    return (truncate(scores, inputs) if plan.truncated else scores) / after


def divisors(inputs: Inputs, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What divides the scores before and after truncation, [rows, 1] each; greedy rows have 1."""
    heat = torch.where(inputs.temperature > 0, inputs.temperature, 1.0).to(dtype)[:, None]
    early = inputs.early[:, None]
    return torch.where(early, 1.0, heat), torch.where(early, heat, 1.0)


def truncate(scores: Tensor, inputs: Inputs) -> Tensor:
    """Apply top-k, top-p, min-p, typical-p in turn; refused tokens become -inf, never all."""
    ranked = scores.sort(dim=1, descending=True).values
    cut = threshold(ranked, torch.logsumexp(scores, dim=1), inputs)
    return keep_typical(scores.masked_fill(scores < cut[:, None], -torch.inf), inputs)


def threshold(ranked: Tensor, total: Tensor, inputs: Inputs) -> Tensor:
    """The lowest score that top-k, top-p and min-p keep; equal scores share their fate.

    Args:
        ranked: [rows, n], the n best scores in falling order.
        total: [rows], logsumexp over all scores of the row.
        inputs: Read for top_k, top_p and min_p.

    Returns:
        [rows]. Right for the whole row if it is above ranked[:, -1], or if `ranked` is the row.
    """
    rank = torch.arange(ranked.shape[1], device=ranked.device)
    has_k = (inputs.top_k > 0) & (inputs.top_k < ranked.shape[1])
    kth = ranked.gather(1, (inputs.top_k.clamp(1, ranked.shape[1]) - 1)[:, None])
    kth = kth.masked_fill(~has_k[:, None], -torch.inf)
    kept = ranked.masked_fill(ranked < kth, -torch.inf)
    norm = torch.where(has_k, torch.logsumexp(kept, dim=1), total)
    mass = (kept - norm[:, None]).exp()
    inside = ((mass.cumsum(dim=1) - mass) < inputs.top_p[:, None]) | (rank == 0)
    nucleus = ranked.gather(1, inside.sum(dim=1, keepdim=True) - 1)
    # top_p 1 keeps all: rounding of the running sum must not drop the tail.
    nucleus = nucleus.masked_fill((inputs.top_p >= 1)[:, None], -torch.inf)
    floor = ranked[:, :1] + inputs.min_p[:, None].to(ranked.dtype).log()
    return torch.cat((kth, nucleus, floor), dim=1).amax(dim=1).minimum(ranked[:, 0])


def keep_typical(scores: Tensor, inputs: Inputs) -> Tensor:
    """Keep the tokens whose surprise is nearest to the entropy, up to a mass of `typical_p`.

    The token that reaches the mass is kept, and those just as far from the entropy as it is. The
    best token may go: it can be less surprising than is typical.
    """
    log_q = torch.log_softmax(scores, dim=1)
    distance = (log_q + entropy(log_q)[:, None]).abs()
    ranked, order = distance.sort(dim=1)
    mass = log_q.exp().gather(1, order)
    inside = (mass.cumsum(dim=1) - mass) < inputs.typical_p[:, None]
    farthest = ranked.gather(1, inside.sum(dim=1, keepdim=True).clamp(min=1) - 1)
    farthest = farthest.masked_fill((inputs.typical_p >= 1)[:, None], torch.inf)
    return scores.masked_fill(distance > farthest, -torch.inf)


def entropy(log_probabilities: Tensor) -> Tensor:
    """-sum p log p in nats over the last dimension, with 0 log 0 = 0."""
    p = log_probabilities.exp()
    return -torch.where(p > 0, p * log_probabilities, 0).sum(dim=1)


def _draw_scores(plan: Plan, scores: Tensor, inputs: Inputs) -> Tensor:
    """Log q + Gumbel noise for sampled rows; greedy rows keep their scores."""
    greedy = (inputs.temperature == 0)[:, None]
    log_q = torch.log_softmax(shape(plan, scores, inputs), dim=1)
    tokens = torch.arange(scores.shape[1], device=scores.device)[None, :]
    return torch.where(greedy, scores, log_q + gumbel(inputs.noise, tokens, scores.dtype))


def _margin(scores: Tensor) -> Tensor:
    """The best score's lead over the second best."""
    if scores.shape[1] == 1:
        return torch.full_like(scores[:, 0], torch.inf)
    best = scores.topk(2, dim=1).values
    return best[:, 0] - best[:, 1]


def _measure(log_p: Tensor, allowed: Tensor, token: Tensor, log_q: Tensor) -> Measures:
    """What is known of the choice; of the model before evidence and contrast, but for log_q."""
    on_mask = log_p.masked_fill(~allowed, -torch.inf)
    log_z = torch.logsumexp(on_mask, dim=1)
    return Measures(
        log_q=log_q,
        log_p=log_p.gather(1, token[:, None])[:, 0],
        log_z=log_z,
        entropy=entropy(on_mask - log_z[:, None]),
    )


def _log_q(plan: Plan, scores: Tensor, inputs: Inputs, token: Tensor) -> Tensor:
    """Log-probability of the choice; the noise is taken off again where it was added."""
    zero = torch.zeros(len(token), dtype=scores.dtype, device=scores.device)
    if not plan.sampled:
        return zero
    noisy = scores.gather(1, token[:, None])
    drawn = (noisy - gumbel(inputs.noise, token[:, None], scores.dtype))[:, 0]
    return torch.where(inputs.temperature == 0, zero, drawn)
