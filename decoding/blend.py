"""Steps 2 to 4 of the definition: evidence, the plausibility head and the contrast of views.

Knows log-probabilities and what the caller brings beside them; nothing of sampling. Sources:
contrastive decoding, Li et al. 2022 (arXiv 2210.15097); context-aware decoding, Shi et al. 2023
(2305.14739); proxy tuning, Liu et al. 2024 (2401.08565); mixtures, Khandelwal et al. 2020
(1911.00172). All are settings of the same weighted sum.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tether.decoding.plan import Contrast, Inputs

FAR = 1e30  # stands for infinity: sums and multiples of it stay numbers
FLOOR = -30.0  # what a view knows nothing of must not become the best by its absence


def sound(logits: Tensor) -> Tensor:
    """The logits as numbers one can compute with: float32 or float64, within +-1e30."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return wide.nan_to_num(nan=-FAR, posinf=FAR, neginf=-FAR).clamp(-FAR, FAR)


def scatter(scores: Tensor, ids: Tensor, values: Tensor) -> Tensor:
    """Scores plus `values` at `ids`, both [rows, n]; -1 is padding."""
    return scores.scatter_add(1, ids.clamp(min=0), values.to(scores.dtype) * (ids >= 0))


def blend(log_p: Tensor, inputs: Inputs) -> Tensor:
    """Log-probabilities with additive evidence, then mixed with other distributions.

    Before the head, which would veto the very tokens that evidence is meant to rescue. Mixed
    before the mask: mixing what is masked would change the shares.
    """
    evidence = inputs.evidence
    if evidence is not None:
        added = scatter(log_p, evidence.added_ids, evidence.added)
        other = scatter(torch.zeros_like(log_p), evidence.mixed_ids, evidence.mixed)
    else:
        added, other = log_p, torch.zeros_like(log_p)
    contrast = inputs.contrast
    if contrast is not None and contrast.shares is not None:
        shares = contrast.shares[:, :, None].to(log_p.dtype)
        other = other + (shares * _known(contrast, log_p.dtype).exp()).sum(dim=0)
    return _mix(added, other)


def _mix(log_p: Tensor, other: Tensor) -> Tensor:
    """log((1 - t) p + other), where `other` [rows, vocab] sums to t; p itself where t = 0."""
    taken = other.sum(dim=1, keepdim=True)
    rest = torch.log_softmax(log_p, dim=1) + (1 - taken).clamp(min=0).log()
    mixed = torch.logaddexp(rest, other.log()).clamp(min=-FAR)
    return torch.where(taken > 0, mixed, log_p)


def score(blended: Tensor, log_p: Tensor, allowed: Tensor, inputs: Inputs) -> Tensor:
    """Scores on the head, -inf elsewhere; [rows, vocab] as all its tensors.

    The head is taken inside the mask, where it holds the best allowed token at least; a head over
    the whole vocabulary may hold no allowed token at all.
    """
    if inputs.head is not None:
        alpha = inputs.head[:, None].to(blended.dtype).clamp(max=1)
        best = blended.masked_fill(~allowed, -torch.inf).amax(dim=1, keepdim=True)
        allowed = allowed & (blended >= best + alpha.log())
    if inputs.contrast is not None:
        blended = contrasted(blended, log_p, inputs.contrast)
    return blended.masked_fill(~allowed, -torch.inf)


def contrasted(blended: Tensor, log_p: Tensor, contrast: Contrast) -> Tensor:
    """The weighted sum of log-probabilities: after evidence, before it, and of the views.

    Views are set against `log_p`, not `blended`: else evidence would count more than its weight.
    """
    said = _known(contrast, log_p.dtype).clamp(min=FLOOR)
    if contrast.sizes is not None:
        said = torch.where(_beyond(contrast), log_p, said)
    base, own = (weight[:, None].to(log_p.dtype) for weight in (contrast.base, contrast.own))
    total = base * blended + own * log_p
    for weight, view in zip(contrast.weights.to(log_p.dtype), said, strict=True):
        total = total + weight[:, None] * view
    return total


def _known(contrast: Contrast, dtype: torch.dtype) -> Tensor:
    """Log-probabilities of the views over the columns they have, [views, rows, vocab]."""
    logits = sound(contrast.views).to(dtype)
    if contrast.sizes is not None:
        logits = logits.masked_fill(_beyond(contrast), -torch.inf)
    return torch.log_softmax(logits, dim=2)


def _beyond(contrast: Contrast) -> Tensor:
    """Boolean [views, 1, vocab]: columns that a view does not have."""
    assert contrast.sizes is not None
    columns = torch.arange(contrast.views.shape[2], device=contrast.views.device)
    return columns >= contrast.sizes[:, None, None]
