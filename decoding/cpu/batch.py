"""What the tensors of a step say about each of its rows, in numpy and plain numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tether.decoding.cpu.mass import GREEDY, Knobs
from tether.decoding.cpu.row import Row
from tether.decoding.cpu.terms import Terms, View
from tether.decoding.cpu.tokens import Floats, Ids, Words
from tether.decoding.plan import Contrast, Evidence, Inputs, Plan

_NONE = np.empty(0, dtype=np.int64)
_NOTHING = np.empty(0)
_WIDE = (torch.float32, torch.float64)  # numpy has them; half precisions are widened row by row


class Batch:
    """The rows of a step.

    Args:
        plan: What is static.
        inputs: On the CPU.

    Attributes:
        knobs: How each row is sampled.
        states: Of each row's noise.
    """

    def __init__(self, plan: Plan, inputs: Inputs) -> None:
        self._inputs = inputs
        self.knobs = _knobs(plan, inputs)
        self.states: list[int] = inputs.noise.tolist()
        wide = inputs.logits.dtype in _WIDE
        self._logits: Floats | None = inputs.logits.numpy() if wide else None
        self._words: Words | None = None
        if inputs.mask is not None:
            self._words = np.ascontiguousarray(inputs.mask.numpy()).view(np.uint32)

    def row(self, index: int) -> Row:
        """The logits of a row under its mask."""
        logits = (
            _floats(self._inputs.logits[index]) if self._logits is None else self._logits[index]
        )
        return Row(logits, None if self._words is None else self._words[index])

    def bias(self, index: int) -> tuple[Ids, Floats]:
        """Tokens with a bias, and the bias; maybe none."""
        inputs = self._inputs
        if inputs.bias_ids is None or inputs.bias is None:
            return _NONE, _NOTHING
        return _sparse(inputs.bias_ids[index], inputs.bias[index])

    def penalty(self, index: int) -> tuple[Ids, float]:
        """Tokens that the repetition penalty applies to, maybe none, and the penalty."""
        inputs = self._inputs
        if inputs.seen is None or (penalty := float(inputs.penalty[index])) == 1:
            return _NONE, 1.0
        seen = inputs.seen[index].numpy()
        return seen[seen >= 0], penalty

    def terms(self, index: int) -> Terms | None:
        """What reshapes a row; None for nothing."""
        inputs = self._inputs
        if inputs.contrast is None and inputs.evidence is None and inputs.head is None:
            return None
        contrast, evidence = inputs.contrast, inputs.evidence
        terms = Terms(
            *_evidence(evidence, index),
            alpha=0.0 if inputs.head is None else float(inputs.head[index]),
            base=1.0 if contrast is None else float(contrast.base[index]),
            own=0.0 if contrast is None else float(contrast.own[index]),
            views=() if contrast is None else tuple(_views(contrast, index)),
        )
        return None if terms.neutral else terms


def _knobs(plan: Plan, inputs: Inputs) -> list[Knobs]:
    """The settings of each row; what no row uses is not even looked at."""
    count = len(inputs.logits)
    if not plan.sampled:
        return [GREEDY] * count
    columns = (
        inputs.temperature.tolist(),
        inputs.early.tolist(),
        inputs.top_k.tolist() if plan.top_k else [0] * count,
        inputs.top_p.tolist() if plan.top_p else [1.0] * count,
        inputs.min_p.tolist() if plan.min_p else [0.0] * count,
        inputs.typical_p.tolist() if plan.typical_p else [1.0] * count,
    )
    return [Knobs(*values) for values in zip(*columns, strict=True)]


def _evidence(evidence: Evidence | None, index: int) -> tuple[Ids, Floats, Ids, Floats]:
    if evidence is None:
        return _NONE, _NOTHING, _NONE, _NOTHING
    return (
        *_sparse(evidence.added_ids[index], evidence.added[index]),
        *_sparse(evidence.mixed_ids[index], evidence.mixed[index]),
    )


def _views(contrast: Contrast, index: int) -> Iterator[View]:
    """The views that count in a row."""
    for number, view in enumerate(contrast.views):
        weight = float(contrast.weights[number, index])
        share = 0.0 if contrast.shares is None else float(contrast.shares[number, index])
        if weight or share:
            size = None if contrast.sizes is None else int(contrast.sizes[number])
            yield View(Row(_floats(view[index, :size])), weight, share)


def _floats(row: Tensor) -> Floats:
    """A row of logits as float32 or float64; a view of the same memory where it is one already."""
    wide = row if row.dtype in _WIDE else row.float()
    return wide.numpy()


def _sparse(ids: Tensor, values: Tensor) -> tuple[Ids, Floats]:
    """Ids without padding and zeros, each once, rising, and the sums of their values."""
    held = ids.numpy()
    real = np.flatnonzero((held >= 0) & (values.numpy() != 0))
    if not len(real):
        return _NONE, _NOTHING
    unique, places = np.unique(held[real], return_inverse=True)
    return unique, np.bincount(places, weights=values.numpy()[real]).astype(np.float64)
