"""The best tokens of whole batches, where no term reshapes the scores: short rows all at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tether.decoding.plan import Choice, Inputs, Plan

_SMALL = 1 << 16  # scores in a batch that are masked and searched in one go


def is_small(plan: Plan, inputs: Inputs) -> bool:
    """Whether `choose` is the way for this step."""
    if plan.sampled or plan.measured or inputs.logits.numel() > _SMALL:
        return False
    extras = (inputs.seen, inputs.bias_ids, inputs.contrast, inputs.evidence, inputs.head)
    return inputs.logits.dtype in (torch.float32, torch.float64) and extras == (None,) * 5


def choose(plan: Plan, inputs: Inputs) -> Choice | None:
    """As `tether.decoding.reference.choose`; None where the logits are not fit to compute with."""
    scores = inputs.logits.numpy()
    if inputs.mask is not None:
        words = np.ascontiguousarray(inputs.mask.numpy()).view(np.uint8)
        allowed = np.unpackbits(words, axis=1, count=scores.shape[1], bitorder="little")
        scores = np.where(allowed.view(np.bool_), scores, -np.inf)
    tokens = scores.argmax(axis=1)
    for row, token in enumerate(tokens.tolist()):
        if not math.isfinite(scores.item(row, token)):
            return None
    margin = _margin(scores, tokens) if plan.margin else None
    return Choice(torch.from_numpy(tokens), margin, None)


def _margin(scores: NDArray[Any], tokens: NDArray[np.int64]) -> Tensor:
    """Each best score's lead over the second best."""
    rows = np.arange(len(scores))
    best = scores[rows, tokens]
    others = scores.copy()
    others[rows, tokens] = -np.inf
    return torch.from_numpy(best - others.max(axis=1))
