"""A network that reads rows in a cache of its own, for drafters that are models themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

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
_BESIDE = 16  # tokens that rows read side by side; what is longer is read alone, but for its end
_CANDIDATES = 64  # of these the noise picks; what is less likely is hardly ever right


class Asked(NamedTuple):
    """A place to be scored.

    Attributes:
        row: Names a row; hashable.
        tokens: Everything before the place; at least one.
        mask: What may be said there; None for all.
    """

    row: object
    tokens: Sequence[int]
    mask: Mask | None = None


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
    def scores(self, asked: Sequence[Asked]) -> Tensor:
        """Log-probabilities [asked, vocab] of what masks allow, in one forward of all rows.

        Ids that only one of mask and network knows are left out.

        Args:
            asked: One place of each row.
        """
        pending = {self._held(place.row).slot: self._pending(place) for place in asked}
        hidden = self._together(pending)
        return allowed(self.network, hidden, [place.mask for place in asked])

    def forget(self, row: object) -> None:
        """Free the place of a row that has ended."""
        held = self._rows.pop(row, None)
        if held is not None:
            self._cache.lengths[held.slot] = 0

    def _pending(self, place: Asked) -> list[int]:
        """The end of what a row has not read, the last token at least, to be read beside others."""
        held, tokens = self._held(place.row), place.tokens
        same = common = _common(held.tokens, tokens[:-1])
        self._cache.rollback(held.slot, self._cache.lengths[held.slot] - common)
        while len(tokens) - common > _BESIDE:
            piece = tokens[common : min(common + _CHUNK, len(tokens) - 1)]
            self._read(held.slot, [piece])
            common += len(piece)
        held.tokens[same:] = tokens[same:]
        return list(tokens[common:])

    def _together(self, pending: dict[int, list[int]]) -> Tensor:
        """What the head reads of some slots, [pending, width], after tokens of each.

        A forward takes slots side by side, so those between them read their last token again.
        """
        first, lengths = min(pending), self._cache.lengths
        slots = range(first, max(pending) + 1)
        last = {held.slot: held.tokens[-1] for held in self._rows.values() if held.tokens}
        for slot in slots:
            self._cache.rollback(slot, min(lengths[slot], slot not in pending))
        hidden = self._read(first, [pending.get(slot, [last.get(slot, 0)]) for slot in slots])
        for slot in slots:
            lengths[slot] *= slot in last  # nothing is held where no row is
        return hidden[[slot - first for slot in pending]]

    def _read(self, first: int, rows: Sequence[Sequence[int]]) -> Tensor:
        """One forward over the slots from the first on, [rows, width]."""
        network, counts = self.network, list(map(len, rows))
        window = self._cache.window(first, counts, device=network.device, dtype=network.dtype)
        padded = [[*row, *[0] * (max(counts) - len(row))] for row in rows]
        fed = torch.tensor(padded).to(network.device)
        hidden = network.forward(fed, self._cache, window)
        self._cache.commit(window)
        return hidden

    def _held(self, row: object) -> _Held:
        if row not in self._rows:
            taken = {held.slot for held in self._rows.values()}
            slot = min(set(range(len(taken) + 1)) - taken)
            self._cache.grow(slot + 1)
            self._rows[row] = _Held(slot)
        return self._rows[row]


def allowed(network: Network, hidden: Tensor, masks: Sequence[Mask | None]) -> Tensor:
    """Log-probabilities [n, vocab] of what a network's head reads in [n, width], on masks."""
    packed = _packed(masks, network.head_size)
    some = None if any(mask is None for mask in masks) else packed
    logits = step_logits(network, hidden, some).float()
    held = unpack(packed.to(logits.device), logits.shape[1])
    return torch.log_softmax(logits.masked_fill(~held, -torch.inf), 1)


def _packed(masks: Sequence[Mask | None], size: int) -> Tensor:
    """int32 [masks, words] of so many tokens; None allows all."""
    words = -(-size // 32)
    packed = np.full((len(masks), words), -1, dtype=np.int32)
    for row, mask in zip(packed, masks, strict=True):
        if mask is not None:
            row[:] = 0
            row[: min(words, len(mask))] = mask[:words]
    return torch.from_numpy(packed)


def draw(
    scores: Tensor, temperatures: Sequence[float], states: Sequence[int], count: int
) -> list[list[tuple[int, float]]]:
    """The tokens that rows are likeliest to choose, best first, with the drafter's belief in each.

    Args:
        scores: [rows, vocab], log-probabilities.
        temperatures: Of the rows; 0 is greedy.
        states: Of the noise by which each row will choose.
        count: The most tokens of each.

    Returns:
        Token and belief; of a sampled row the belief weighs scores with the noise added, since the
        noise is known: the further the first is ahead, the likelier the row's own choice it is.
    """
    best, ids = scores.topk(min(_CANDIDATES, scores.shape[1]))
    beliefs = best.exp()
    if any(temperatures):
        heat = torch.tensor(temperatures, device=ids.device)[:, None]
        noise = gumbel(torch.tensor(states, device=ids.device), ids)
        warm = torch.log_softmax(best / heat.where(heat > 0, 1.0), 1) + noise
        beliefs = beliefs.where(heat == 0, warm.softmax(1))
    values, order = beliefs.topk(min(count, beliefs.shape[1]))
    pairs = zip(ids.gather(1, order).tolist(), values.tolist(), strict=True)
    return [[(t, b) for t, b in zip(*row, strict=True) if b > 0] for row in pairs]


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens both begin with."""
    size = min(len(left), len(right))
    if list(left[:size]) == list(right[:size]):
        return size
    return next(place for place in range(size) if left[place] != right[place])
