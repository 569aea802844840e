"""The plan of one ragged forward: where its tokens go, what they see, where it is read.

Knows slots, columns and drafted trees as numbers; does not know what a cache or a network is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from tether.decoding.drafts.draft import Draft


@dataclass(frozen=True)
class Window:
    """Where the tokens of one ragged forward go, and what they may see.

    Attributes:
        slots: The contiguous slots taking part; row r of the forward is slot slots.start + r.
        starts: What each row held before: the column of its first token.
        counts: Tokens of each row that are real; the others are padding on the right.
        columns: int64 [rows, q]; column of each token, padding included.
        positions: int64 [rows, q]; its position: the column, but in a drafted tree with branches.
        length: Columns to read: the largest length after the write.
        extent: Columns to hold: padding may write past `length`.
        dtype: Of the mask.
        last: int64 [rows]; index of each row's last certain token in the flattened [rows * q].
        hidden: Bool [rows, q, length], the columns that a token may not see, where branches of a
            drafted tree do not see one another; None where it sees all up to its own.
        reads: int64 [n], where the forward is read, in the same way: `last`, then every drafted
            token. `states.py` puts every real token there.
    """

    slots: slice
    starts: tuple[int, ...]
    counts: tuple[int, ...]
    columns: Tensor
    positions: Tensor
    length: int
    extent: int
    dtype: torch.dtype
    last: Tensor
    hidden: Tensor | None
    reads: Tensor

    @classmethod
    def plan(
        cls,
        first: int,
        starts: Sequence[int],
        certain: Sequence[int],
        drafts: Mapping[int, Draft],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> Self:
        """The window of some certain tokens a row, and of what is drafted after them.

        Args:
            first: The first row's slot.
            starts: How many tokens the slots hold.
            certain: How many tokens of each row are certain.
            drafts: By the place of a row, what follows its certain tokens.
            device: Where the forward runs.
            dtype: Of its mask.
        """
        counts = [count + len(drafts.get(row, ())) for row, count in enumerate(certain)]
        rows, width = len(counts), max(counts)
        length = max(map(sum, zip(starts, counts, strict=True)))
        columns = torch.tensor(starts)[:, None] + torch.arange(width)
        last = torch.tensor([row * width + count - 1 for row, count in enumerate(certain)])
        positions, hidden = _branches(columns, certain, drafts, length)
        return cls(
            slots=slice(first, first + rows),
            starts=tuple(starts),
            counts=tuple(counts),
            columns=columns.to(device),
            positions=positions.to(device),
            length=length,
            extent=max(starts) + width,
            dtype=dtype,
            last=last.to(device),
            hidden=None if hidden is None else hidden.to(device),
            reads=_reads(last, drafts).to(device),
        )

    @cached_property
    def mask(self) -> Tensor | None:
        """Additive float mask [rows, 1, q, length]; None where every column is visible."""
        if self.columns.shape[1] == 1 and min(self.starts) + 1 == self.length:
            return None
        with torch.inference_mode(mode=False):  # another forward may follow it with gradients
            return self.dense_mask(self.dtype)

    def at_last(self, tensor: Tensor) -> Tensor:
        """[rows, q, ...] at each row's last certain token, [rows, ...]."""
        if len(self.reads) == len(self.last) and min(self.counts) == tensor.shape[1]:
            return tensor[:, -1]
        return tensor.flatten(0, 1)[self.last]

    def dense_mask(self, dtype: torch.dtype, sliding: int | None = None) -> Tensor:
        """The mask [rows, 1, q, length] written out; `sliding` hides all but the last columns."""
        key = torch.arange(self.length, device=self.columns.device)
        hidden = key > self.columns[:, :, None] if self.hidden is None else self.hidden
        if sliding is not None:
            hidden = hidden | (self._key_positions[:, None] <= self.positions[:, :, None] - sliding)
        return additive(hidden, dtype)[:, None]

    @cached_property
    def _key_positions(self) -> Tensor:
        """int64 [rows, length], the position of what lies in each column."""
        key = torch.arange(self.length, device=self.columns.device)
        if self.hidden is None:
            return key[None]
        places = torch.arange(self.extent, device=key.device).repeat(len(self.columns), 1)
        return places.scatter_(1, self.columns, self.positions)[:, : self.length]


def additive(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where `hidden` is False and the lowest finite number where it is True (-inf makes NaN)."""
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(
        hidden, torch.finfo(dtype).min
    )


def _branches(
    columns: Tensor, certain: Sequence[int], drafts: Mapping[int, Draft], length: int
) -> tuple[Tensor, Tensor | None]:
    """Positions [rows, q] and what is hidden, bool [rows, q, length]; None as in `Window`."""
    trees = {row: draft for row, draft in drafts.items() if not draft.is_chain}
    if not trees:
        return columns, None
    positions, hidden = columns.clone(), torch.arange(length) > columns[:, :, None]
    for row, draft in trees.items():
        at, size = certain[row], len(draft)
        start = int(columns[row, at])
        positions[row, at : at + size] = start + torch.tensor(draft.depths)
        hidden[row, at : at + size, start : start + size] = ~torch.tensor(draft.lineage)
    return positions, hidden


def _reads(last: Tensor, drafts: Mapping[int, Draft]) -> Tensor:
    """Each row's last certain token, then the drafted ones, row by row."""
    nodes = [last[row] + 1 + torch.arange(len(drafts[row])) for row in sorted(drafts)]
    return torch.cat([last, *nodes]) if nodes else last
