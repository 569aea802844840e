"""From the rows' sampling settings to the tensors of one step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tether.decoding.plan import Inputs, Plan
from tether.decoding.row import Row


def step_inputs(rows: Sequence[Row], logits: Tensor, masks: Tensor | None) -> tuple[Plan, Inputs]:
    """The plan and the tensors of one step, from the rows' sampling settings."""
    samplings = [row.request.sampling for row in rows]
    sampled = any(s.temperature > 0 for s in samplings)
    plan = Plan(
        sampled=sampled,
        truncated=sampled and any(s.top_k > 0 or s.top_p < 1 or s.min_p > 0 for s in samplings),
    )
    device = logits.device

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device)

    biases = [s.logit_bias for s in samplings]
    inputs = Inputs(
        logits=logits,
        mask=None if masks is None else masks.to(device, non_blocking=True),
        noise=torch.tensor([row.noise_state() for row in rows] if sampled else [0], device=device),
        temperature=column([s.temperature for s in samplings]),
        early=torch.tensor([s.order == "llamacpp" for s in samplings], device=device),
        top_k=torch.tensor([s.top_k for s in samplings], device=device),
        top_p=column([s.top_p for s in samplings]),
        min_p=column([s.min_p for s in samplings]),
        penalty=column([s.repetition_penalty for s in samplings]),
        seen=_ragged(
            [
                sorted(set(row.context)) if s.repetition_penalty != 1 else []
                for row, s in zip(rows, samplings, strict=True)
            ],
            -1,
            torch.int64,
            device,
        ),
        bias_ids=_ragged([list(bias) for bias in biases], -1, torch.int64, device),
        bias=_ragged([list(bias.values()) for bias in biases], 0.0, torch.float32, device),
    )
    return plan, inputs


def _ragged(
    lists: Sequence[Sequence[float]], fill: float, dtype: torch.dtype, device: torch.device
) -> Tensor | None:
    """Lists as a tensor [rows, longest], padded; None where all are empty."""
    width = max(map(len, lists))
    if width == 0:
        return None
    padded = [[*values, *[fill] * (width - len(values))] for values in lists]
    return torch.tensor(padded, dtype=dtype, device=device)
