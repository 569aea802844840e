"""The fused step: one token for each row, equal to `reference.choose`, faster.

Knows who does it on which device, and nothing of how.
"""

from __future__ import annotations

from typing import Literal

from tether.decoding import kernels, reference
from tether.decoding.cpu.choose import choose as choose_on_cpu
from tether.decoding.cpu.greedy import is_small
from tether.decoding.plan import Choice, Inputs, Plan

Route = Literal["together", "rows", "kernels", "reference"]


def route_for_testing(plan: Plan, inputs: Inputs) -> Route:
    """Which route `choose` takes: on a CPU, short greedy rows together, others row by row."""
    if kernels.available(inputs.logits):
        return "kernels"
    if not inputs.logits.is_cpu:
        return "reference"
    return "together" if is_small(plan, inputs) else "rows"


def choose(plan: Plan, inputs: Inputs) -> Choice:
    """Choose one token for each row.

    Args:
        plan: What is static.
        inputs: The tensors; none is changed. Every mask row must allow a token.

    Returns:
        The choice, on the device of the logits; equal to `reference.choose` within rounding.
    """
    if kernels.available(inputs.logits):
        return kernels.choose(plan, inputs)
    if inputs.logits.is_cpu:
        return choose_on_cpu(plan, inputs)
    return reference.choose(plan, inputs)
