"""Muon for matrices, AdamW for the rest, and a learning rate that depends on tokens only.

Muon: K. Jordan et al., 2024 (momentum, then Newton-Schulz orthogonalisation of the update).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NEWTON_STEPS = 4
MUON_RATE = 0.02
ADAM_RATE = 3e-3
MOMENTUM = 0.95
DECAY = 0.02
WARM_UP_STEPS = 50
CONSTANT_UNTIL = 0.4
LAST_SHARE = 0.02


def orthogonal(update: Tensor) -> Tensor:
    """Nearly the orthogonal factor of each matrix: float32 [n, rows, cols], same shape back."""
    a, b, c = COEFFICIENTS
    tall = update.size(-2) > update.size(-1)
    x: Tensor = update.mT if tall else update
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(NEWTON_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon over matrices; those of one shape are orthogonalised together."""

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: float = MUON_RATE) -> None:
        super().__init__(list(params), {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for param in group["params"]:
                shapes.setdefault(param.shape, []).append(param)
            for params in shapes.values():
                self._update(params, group["lr"])

    def _update(self, params: list[torch.nn.Parameter], lr: float) -> None:
        directions = []
        for param in params:
            assert param.grad is not None
            state = self.state[param]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(param)
            state["momentum"].lerp_(param.grad, 1 - MOMENTUM)
            directions.append(param.grad.lerp(state["momentum"], MOMENTUM))
        rows, cols = params[0].shape
        scale = max(1.0, rows / cols) ** 0.5
        for param, update in zip(params, orthogonal(torch.stack(directions)), strict=True):
            param.mul_(1 - lr * DECAY).add_(update, alpha=-lr * scale)


def optimisers(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings and norms."""
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, param in model.named_parameters():
        (matrices if param.ndim == 2 and "embed" not in name else others).append(param)
    adam = torch.optim.AdamW(others, ADAM_RATE, (0.9, 0.98), weight_decay=0.0, fused=True)
    return [Muon(matrices), adam]


def rate(progress: float, step: int) -> float:
    """The share of the full learning rate at `progress` in [0, 1] and `step`."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    if progress <= CONSTANT_UNTIL:
        return warm
    left = max(0.0, 1 - progress) / (1 - CONSTANT_UNTIL)
    return warm * (LAST_SHARE + (1 - LAST_SHARE) * left)


def set_rate(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    """Sets every optimiser to `share` of its full rate."""
    for optimizer, full in zip(optimizers, (MUON_RATE, ADAM_RATE), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = full * share
