"""The published form of knowledge infused decoding: gradient steps on the keys and values of a row.

After the public code of Liu et al. 2022 (arXiv 2204.03084), which perturbs the whole past before
each token. Deviations: the perturbation serves one token and is then forgotten, so that what a row
says stays a function of what it has said, and its cache can be shared, rolled back and read again;
and a gradient that is next to nothing is not blown up to a full step, which is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache, SlotLayer
from tether.decoding.models.base import Edit, Network
from tether.decoding.window import Window
from tether.grounding.evidence import Bools, Floats, Ids

_RATE, _GAMMA, _NEAR = 0.01, 1.5, 0.01  # step size, power of the norm, weight of the divergence
_LEAST = 0.1  # norms below count as this


class _NudgedLayer(SlotLayer):
    """Keys and values of one row: what is held, nudged, then what is new; keeps nothing."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__(1)
        self.past = keys, values
        self.nudges = torch.zeros_like(keys), torch.zeros_like(values)

    def update(self, keys: Tensor, values: Tensor, window: Window) -> tuple[Tensor, Tensor]:
        """See SlotLayer.update."""
        past = [held + nudge for held, nudge in zip(self.past, self.nudges, strict=True)]
        return torch.cat((past[0], keys), 2), torch.cat((past[1], values), 2)


@dataclass(frozen=True, slots=True)
class Retelling:
    """A row's last token, to be read again; see `tether.grounding.evidence.Nudge`.

    Attributes:
        network: Holds the row.
        cache: With the last token in it.
        slot: Of the row.
        token: The last one.
        edit: Of the row's forwards.
    """

    network: Network
    cache: SlotCache
    slot: int
    token: int
    edit: Edit | None

    def __call__(self, known: Ids, allowed: Bools, steps: int, rate: float) -> Floats:
        """See Nudge."""
        wanted, mask = (torch.from_numpy(part).to(self.network.device) for part in (known, allowed))
        found: Floats = self._nudged(wanted, mask, steps, rate).cpu().numpy()
        return found

    def _nudged(self, known: Tensor, allowed: Tensor, steps: int, rate: float) -> Tensor:
        """Log-probabilities [vocab], on the mask."""
        held = self.cache.lengths[self.slot] - 1
        cache = SlotCache(self.network.num_layers, 1)
        cache.lengths[0] = held
        layers = [self._copied(layer, held) for layer in self.cache.layers]
        cache.layers = list[SlotLayer](layers)
        plain: Tensor | None = None
        norms = [_LEAST] * len(layers)
        for _ in range(steps if held else 0):
            _watched(layers)
            log_p = self._read(cache, allowed)
            plain = log_p.detach() if plain is None else plain
            _step(layers, norms, _loss(log_p, plain, known, allowed), rate)
        with torch.no_grad():
            return self._read(cache, allowed)

    def _copied(self, layer: SlotLayer, held: int) -> _NudgedLayer:
        """What one layer holds of the row, copied out of inference mode: it has gradients."""
        assert layer.keys is not None, "the row was read"
        assert layer.values is not None, "the row was read"
        row = slice(self.slot, self.slot + 1)
        return _NudgedLayer(layer.keys[row, :, :held].clone(), layer.values[row, :, :held].clone())

    def _read(self, cache: SlotCache, allowed: Tensor) -> Tensor:
        network = self.network
        window = cache.window(0, [1], device=network.device, dtype=network.dtype)
        fed = torch.tensor([[self.token]], device=network.device)
        logits = network.head(network.traced(fed, cache, window, self.edit))[0]
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return torch.log_softmax(wide[: len(allowed)].masked_fill(~allowed, -torch.inf), 0)


def _watched(layers: Sequence[_NudgedLayer]) -> None:
    """Begin to follow the nudges of all layers."""
    for layer in layers:
        layer.nudges = (
            layer.nudges[0].detach().requires_grad_(),
            layer.nudges[1].detach().requires_grad_(),
        )


def _loss(log_p: Tensor, plain: Tensor, known: Tensor, allowed: Tensor) -> Tensor:
    """J = -log P(K) + c KL(p || p0)."""
    away = (log_p[allowed].exp() * (log_p[allowed] - plain[allowed])).sum()
    return _NEAR * away - torch.logsumexp(log_p[known], 0)


def _step(layers: Sequence[_NudgedLayer], norms: list[float], loss: Tensor, rate: float) -> None:
    """Against the gradient, which is divided by a power of the largest norm of its layer so far."""
    pairs = [layer.nudges for layer in layers]
    slopes = torch.autograd.grad(loss, [part for pair in pairs for part in pair])
    for place, layer in enumerate(layers):
        keys, values = slopes[2 * place : 2 * place + 2]
        size = float(torch.sqrt(keys.square().sum() + values.square().sum()))
        norms[place] = max(norms[place], size)
        scale = rate * _RATE / norms[place] ** _GAMMA
        layer.nudges = layer.nudges[0] - scale * keys, layer.nudges[1] - scale * values
