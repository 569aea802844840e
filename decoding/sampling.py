"""From the rows' sampling settings to the tensors of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tether.decoding.plan import Inputs, Plan
from tether.decoding.request import Sampling
from tether.decoding.row import Row


@dataclass(frozen=True, slots=True)
class Controls:
    """What the settings of a set of rows say to the step; the same until a row comes or goes."""

    plan: Plan
    temperature: Tensor
    early: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor
    typical_p: Tensor
    penalty: Tensor
    bias_ids: Tensor | None
    bias: Tensor | None

    @classmethod
    def of(
        cls, samplings: Sequence[Sampling], device: torch.device, *, margin: bool = True
    ) -> Controls:
        """The plan and the tensors [rows] of these settings."""

        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        biases = [s.logit_bias for s in samplings]
        return cls(
            plan=plan_of(samplings, margin=margin),
            temperature=column([s.temperature for s in samplings]),
            early=torch.tensor([s.order == "llamacpp" for s in samplings], device=device),
            top_k=torch.tensor([s.top_k for s in samplings], device=device),
            top_p=column([s.top_p for s in samplings]),
            min_p=column([s.min_p for s in samplings]),
            typical_p=column([s.typical_p for s in samplings]),
            penalty=column([s.repetition_penalty for s in samplings]),
            bias_ids=_ragged([list(bias) for bias in biases], -1, torch.int64, device),
            bias=_ragged([list(bias.values()) for bias in biases], 0.0, torch.float32, device),
        )

    def inputs(self, rows: Sequence[Row], logits: Tensor, masks: Tensor | None) -> Inputs:
        """The tensors of one step over these rows.

        Args:
            rows: The rows whose settings these are, in the same order.
            logits: float [rows, vocab].
            masks: int32 [rows, words], or None to allow all.
        """
        device = logits.device
        states = [row.noise_state() for row in rows] if self.plan.sampled else [0]
        return Inputs(
            logits=logits,
            mask=None if masks is None else masks.to(device, non_blocking=True),
            noise=torch.tensor(states, device=device),
            temperature=self.temperature,
            early=self.early,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            typical_p=self.typical_p,
            penalty=self.penalty,
            seen=_ragged([_penalised(row) for row in rows], -1, torch.int64, device),
            bias_ids=self.bias_ids,
            bias=self.bias,
        )


def plan_of(samplings: Sequence[Sampling], *, margin: bool = True, measured: bool = False) -> Plan:
    """What a step over rows of these settings does."""
    drawn = [s for s in samplings if s.temperature > 0]
    return Plan(
        sampled=bool(drawn),
        top_k=any(s.top_k > 0 for s in drawn),
        top_p=any(s.top_p < 1 for s in drawn),
        min_p=any(s.min_p > 0 for s in drawn),
        typical_p=any(s.typical_p < 1 for s in drawn),
        margin=margin,
        measured=measured,
    )


def _penalised(row: Row) -> list[int]:
    """The tokens that the row's repetition penalty applies to."""
    return sorted(set(row.context)) if row.request.sampling.repetition_penalty != 1 else []


def _ragged(
    lists: Sequence[Sequence[float]], fill: float, dtype: torch.dtype, device: torch.device
) -> Tensor | None:
    """Lists as a tensor [rows, longest], padded; None where all are empty."""
    width = max(map(len, lists))
    if width == 0:
        return None
    padded = [[*values, *[fill] * (width - len(values))] for values in lists]
    return torch.tensor(padded, dtype=dtype, device=device)
