"""The real tokens of a ragged forward as one flat list, and where it is read among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, repeat

import torch
from torch import Tensor

from tether.decoding.window import Window, additive


class Flat:
    """The tokens of a window, row by row, without padding.

    Attributes:
        real: int64 [tokens], their places in the flattened [rows * q]; None where all are real.
        columns: int64 [tokens].
        positions: int64 [tokens].
        reads: int64 [n], the window's, among these tokens.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._firsts = list(accumulate(window.counts, initial=0))
        self.real = None
        if min(window.counts) < window.width:
            strides = range(0, window.width * len(window.counts), window.width)
            self.real = self._numbers(_runs(strides, window.counts))
        self.columns = self.positions = self._numbers(_runs(window.starts, window.counts))
        if window.trees:
            self.positions = self.of(window.positions)
        self.reads = self._numbers(self._firsts[row] + place for row, place in window.read_at)

    def of(self, padded: Tensor) -> Tensor:
        """[rows, q] -> [tokens]."""
        flat = padded.reshape(-1)
        return flat if self.real is None else flat[self.real]

    @cached_property
    def rows(self) -> Tensor:
        """int64 [tokens], the row of each."""
        counts = self._window.counts
        return self._numbers(chain.from_iterable(map(repeat, range(len(counts)), counts)))

    @cached_property
    def mask(self) -> Tensor:
        """Additive float mask [tokens, length]: what each token may not see."""
        window = self._window
        hidden = torch.arange(window.length, device=window.device) > self.columns[:, None]
        for row, apart in window.apart():
            window.own(hidden[self._firsts[row] + window.certain[row] :], row)[:] = apart
        return additive(hidden, window.dtype)

    def tail(self) -> Tail | None:
        """What the last layer has to go on with; None where that is everything."""
        counts = self._window.counts
        sizes = [1] * len(counts)
        for row, place in self._window.read_at:
            sizes[row] = max(sizes[row], counts[row] - place)
        if sizes == list(counts):
            return None
        ends = self._firsts[1:]
        left = [end - size for end, size in zip(ends, sizes, strict=True)]
        before = [first - at for first, at in zip(left, accumulate(sizes, initial=0), strict=False)]
        reads = (self._firsts[row] + place - before[row] for row, place in self._window.read_at)
        return Tail(tuple(sizes), self._numbers(_runs(left, sizes)), self._numbers(reads))

    def _numbers(self, found: Iterable[int]) -> Tensor:
        return torch.tensor(list(found), dtype=torch.int64, device=self._window.device)


@dataclass(frozen=True, slots=True)
class Tail:
    """The tokens from each row's first one on that is read.

    Attributes:
        sizes: How many of each row.
        kept: int64 [kept], these among the flat tokens.
        reads: int64 [n], the window's, among these.
    """

    sizes: tuple[int, ...]
    kept: Tensor
    reads: Tensor


def _runs(firsts: Iterable[int], counts: Iterable[int]) -> Iterable[int]:
    """So many numbers from each of the first ones on."""
    pairs = zip(firsts, counts, strict=True)
    return chain.from_iterable(range(first, first + count) for first, count in pairs)
