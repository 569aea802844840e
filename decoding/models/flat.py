"""The real tokens of a ragged forward as one flat list, and where it is read among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tether.decoding.window import Window


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
        self.real = _real(window)
        self.columns, self.positions = self.of(window.columns), self.of(window.positions)
        self.reads = window.reads
        if self.real is not None:
            self.reads = torch.searchsorted(self.real, window.reads)

    def of(self, padded: Tensor) -> Tensor:
        """[rows, q] -> [tokens]."""
        flat = padded.reshape(-1)
        return flat if self.real is None else flat[self.real]

    @cached_property
    def rows(self) -> Tensor:
        """int64 [tokens], the row of each."""
        rows, width = self._window.columns.shape
        if width == 1:
            return torch.arange(rows, device=self.reads.device)
        every = torch.arange(rows * width, device=self.reads.device)
        return (every if self.real is None else self.real) // width

    def tail(self) -> Tail | None:
        """What the last layer has to go on with; None where that is everything."""
        counts, width = self._window.counts, self._window.columns.shape[1]
        if width == 1:
            return None
        reads = [divmod(read, width) for read in self._window.reads.tolist()]
        sizes = [1] * len(counts)
        for row, place in reads:
            sizes[row] = max(sizes[row], counts[row] - place)
        if sizes == list(counts):
            return None
        kept, offsets, first = list[int](), list[int](), 0
        for size, count in zip(sizes, counts, strict=True):
            offsets.append(len(kept) - (count - size))
            kept += range(first + count - size, first + count)
            first += count
        found = [offsets[row] + place for row, place in reads]
        return Tail(tuple(sizes), torch.tensor(kept), torch.tensor(found, dtype=torch.int64))


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


def _real(window: Window) -> Tensor | None:
    """See Flat."""
    width = window.columns.shape[1]
    if min(window.counts) == width:
        return None
    indices = [r * width + i for r, count in enumerate(window.counts) for i in range(count)]
    return torch.tensor(indices, device=window.columns.device)
