"""The distribution that a row's next token follows, written out: what rules compare drafts with."""

from __future__ import annotations

import torch
from torch import Tensor

from tether.decoding import reference
from tether.decoding.plan import Inputs
from tether.decoding.request import Request, Sampling
from tether.decoding.sampling import Controls


def is_ruled(request: Request) -> bool:
    """Whether drafts of a row are accepted by a rule other than `match`.

    Greedy rows leave nothing to a rule, and the scores of a repetition penalty, of contrast and of
    evidence are not those of the model at a place alone: such rows match.
    """
    return request.draft_rule != "match" and request.sampling.temperature > 0 and _is_bare(request)


def is_lossy(request: Request) -> bool:
    """Whether a row takes drafted tokens that it did not choose (`--lossy`)."""
    return request.lossy != "off" and _is_bare(request)


def is_judged(request: Request) -> bool:
    """Whether trained heads say which."""
    return is_lossy(request) and request.lossy != "typical"


def _is_bare(request: Request) -> bool:
    """Whether a row's choices go by the model's scores at a place alone."""
    return not (request.terms or request.sources) and request.sampling.repetition_penalty == 1


def laws(sampling: Sampling, logits: Tensor, masks: Tensor | None) -> Tensor:
    """What tokens are drawn from after mask, bias, temperature and truncation, float64 [n, vocab].

    Args:
        sampling: Of the row; sampled, without a repetition penalty.
        logits: float [n, vocab], after n texts.
        masks: int32 [n, words], what may be said there; None for all.
    """
    controls = Controls.of([sampling] * len(logits), logits.device, margin=False)
    inputs = Inputs(
        logits=logits.double(),
        mask=None if masks is None else masks.to(logits.device),
        noise=torch.zeros(len(logits), dtype=torch.int64),
        temperature=controls.temperature,
        early=controls.early,
        top_k=controls.top_k,
        top_p=controls.top_p,
        min_p=controls.min_p,
        typical_p=controls.typical_p,
        penalty=controls.penalty,
        bias_ids=controls.bias_ids,
        bias=controls.bias,
    )
    log_p = torch.log_softmax(inputs.logits, dim=1)
    if inputs.mask is not None:
        log_p = log_p.masked_fill(~reference.unpack(inputs.mask, log_p.shape[1]), -torch.inf)
    scores = reference.shape(controls.plan, reference.add_bias(log_p, inputs), inputs)
    return torch.softmax(scores, dim=1)
