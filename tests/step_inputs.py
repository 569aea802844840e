"""Inputs of the step for tests and benchmarks, so that speed is measured on what is tested."""

from __future__ import annotations

import torch
from torch import Tensor

from tether.decoding.noise import row_state
from tether.decoding.plan import Contrast, Evidence, Inputs, Plan

SETTINGS: list[dict[str, float]] = [
    {},
    {"temperature": 1.0},
    {"temperature": 0.7, "top_k": 50, "top_p": 0.9, "min_p": 0.05},
    {"temperature": 1.3, "top_p": 0.9},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 2.0, "min_p": 0.2},
    {"temperature": 1.0, "top_p": 0.999},
    {"temperature": 3.0, "top_p": 0.9999, "early": True},
    {"temperature": 1.0, "typical_p": 0.9},
    {"temperature": 0.7, "top_k": 40, "top_p": 0.95, "typical_p": 0.5, "early": True},
]


def pack(allowed: Tensor) -> Tensor:
    """bool [rows, vocab] -> int32 [rows, words]."""
    rows, vocab = allowed.shape
    padded = torch.cat((allowed, torch.zeros(rows, -vocab % 32, dtype=torch.bool)), dim=1)
    words = (padded.view(rows, -1, 32).long() << torch.arange(32)).sum(dim=2)
    return torch.where(words >= 2**31, words - 2**32, words).int()


def make_inputs(
    logits: Tensor,
    allowed: Tensor | None = None,
    *,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical_p: float = 1.0,
    early: bool = False,
    position: int = 0,
    contrast: Contrast | None = None,
    evidence: Evidence | None = None,
    alpha: float | None = None,
) -> tuple[Plan, Inputs]:
    """A step whose rows all have the same settings; row i draws with the key "i"."""
    rows = logits.shape[0]
    inputs = Inputs(
        logits=logits,
        mask=None if allowed is None else pack(allowed),
        noise=torch.tensor([row_state(7, str(row), position) for row in range(rows)]),
        temperature=torch.full((rows,), temperature),
        early=torch.full((rows,), early),
        top_k=torch.full((rows,), top_k),
        top_p=torch.full((rows,), top_p),
        min_p=torch.full((rows,), min_p),
        typical_p=torch.full((rows,), typical_p),
        penalty=torch.ones(rows),
        contrast=contrast,
        evidence=evidence,
        head=None if alpha is None else torch.full((rows,), alpha, dtype=torch.float64),
    )
    plan = Plan(temperature > 0, top_k > 0, top_p < 1, min_p > 0, typical_p < 1)
    return plan, inputs


def make_contrast(
    views: Tensor, weights: list[float], *, base: float = 1.0, own: float = 0.0
) -> Contrast:
    """Views [views, rows, vocab] with the same weights in every row."""
    rows = views.shape[1]
    return Contrast(
        views=views,
        weights=torch.tensor(weights, dtype=torch.float64)[:, None].expand(-1, rows),
        base=torch.full((rows,), base, dtype=torch.float64),
        own=torch.full((rows,), own, dtype=torch.float64),
    )


def make_evidence(
    rows: int,
    added: dict[int, float] | None = None,
    mixed: dict[int, float] | None = None,
) -> Evidence:
    """The same additive and mixture evidence in every row, by token."""
    added, mixed = added or {}, mixed or {}
    ids = (list(table) for table in (added, mixed))
    added_ids, mixed_ids = (torch.tensor([row] * rows, dtype=torch.int64) for row in ids)
    values = (list(table.values()) for table in (added, mixed))
    added_by, mixed_by = (torch.tensor([row] * rows, dtype=torch.float64) for row in values)
    return Evidence(added_ids, added_by, mixed_ids, mixed_by)
