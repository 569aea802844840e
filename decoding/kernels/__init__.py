"""The fused step in Triton, one op a file; `tether.decoding.reference` is its definition.

Triton is imported with the first choice, and only on a device that runs it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch

from tether.decoding.plan import Choice, Inputs, Plan


def available(logits: torch.Tensor) -> bool:
    """Whether the kernels take these logits: on CUDA, not in float64, and with Triton at hand."""
    return logits.is_cuda and logits.dtype != torch.float64 and _has_triton()


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def choose(plan: Plan, inputs: Inputs) -> Choice:
    """Choose one token for each row, equal to `reference.choose` within rounding."""
    from tether.decoding.kernels import step

    return step.choose(plan, inputs)
