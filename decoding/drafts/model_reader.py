"""A network that reads rows in a cache of its own, for drafters that are models themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.head import step_logits
from tether.decoding.models.base import Network
from tether.decoding.noise import gumbel
from tether.decoding.reference import unpack
from tether.grammars.constraint import Mask

_CHUNK = 512  # bounds the attention mask of long prompts
_CANDIDATES = 64  # of these the noise picks; what is less likely is hardly ever right


@dataclass(slots=True)
class _Held:
    slot: int
    tokens: list[int] = field(default_factory=list)


class Reader:
    """Scores after any text of a row; what the last text of it has in common is not read again.

    Args:
        network: It is only read.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._cache = SlotCache(network.num_layers, 0)
        self._rows: dict[object, _Held] = {}

    @torch.inference_mode()
    def scores(self, row: object, tokens: Sequence[int], mask: Mask | None) -> Tensor:
        """Log-probabilities [vocab] after `tokens`, at least one, of what a mask allows.

        Ids that only one of mask and network knows are left out.
        """
        held = self._held(row)
        common = _common(held.tokens, tokens[:-1])
        self._cache.rollback(held.slot, self._cache.lengths[held.slot] - common)
        for start in range(common, len(tokens), _CHUNK):
            hidden = self._read(held.slot, tokens[start : start + _CHUNK])
        held.tokens[common:] = tokens[common:]
        return allowed(self.network, hidden, mask)

    def forget(self, row: object) -> None:
        """Free the place of a row that has ended."""
        held = self._rows.pop(row, None)
        if held is not None:
            self._cache.lengths[held.slot] = 0

    @property
    def num_rows(self) -> int:
        """Rows that have a place."""
        return len(self._rows)

    def _read(self, slot: int, tokens: Sequence[int]) -> Tensor:
        network = self.network
        window = self._cache.window(slot, [len(tokens)], device=network.device, dtype=network.dtype)
        hidden = network.forward(torch.tensor([tokens]).to(network.device), self._cache, window)
        self._cache.commit(window)
        return hidden

    def _held(self, row: object) -> _Held:
        if row not in self._rows:
            taken = {held.slot for held in self._rows.values()}
            slot = min(set(range(len(taken) + 1)) - taken)
            self._cache.grow(slot + 1)
            self._rows[row] = _Held(slot)
        return self._rows[row]


def allowed(network: Network, hidden: Tensor, mask: Mask | None) -> Tensor:
    """Log-probabilities [vocab] of what a network's head reads in [1, width], on a mask."""
    if mask is None:
        return torch.log_softmax(network.head(hidden)[0].float(), 0)
    bits = np.zeros(-(-network.head_size // 32), dtype=np.int32)
    size = min(len(bits), len(mask))
    bits[:size] = mask[:size]
    packed = torch.from_numpy(bits)[None]
    logits = step_logits(network, hidden, packed)[0].float()
    held = unpack(packed.to(logits.device), len(logits))[0]
    return torch.log_softmax(logits.masked_fill(~held, -torch.inf), 0)


def draw(scores: Tensor, temperature: float, state: int, count: int) -> list[tuple[int, float]]:
    """The tokens that a row is likeliest to choose, best first, with the drafter's belief in each.

    Args:
        scores: [vocab], log-probabilities.
        temperature: The row's; 0 is greedy.
        state: Of the noise by which the row will choose.
        count: The most tokens.

    Returns:
        Token and belief; of a sampled row the belief weighs scores with the noise added, since the
        noise is known: the further the first is ahead, the likelier the row's own choice it is.
    """
    best, ids = scores.topk(min(_CANDIDATES, len(scores)))
    if temperature > 0:
        noise = gumbel(torch.tensor([state], device=ids.device), ids[None])[0]
        best = torch.log_softmax(best / temperature, 0) + noise
    beliefs = best.softmax(0) if temperature > 0 else best.exp()
    order = beliefs.topk(min(count, len(beliefs)))
    pairs = zip(ids[order.indices].tolist(), order.values.tolist(), strict=True)
    return [(token, belief) for token, belief in pairs if belief > 0]


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens both begin with."""
    size = min(len(left), len(right))
    if list(left[:size]) == list(right[:size]):
        return size
    return next(place for place in range(size) if left[place] != right[place])
