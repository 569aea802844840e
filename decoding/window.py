"""The plan of one ragged forward: where its tokens go, what they see, where it is read.

Knows slots, columns and drafted trees as numbers; does not know what a cache or a network is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tether.decoding.drafts.draft import Draft

# What a forward without gradients has made may be needed by one with them.
_kept = torch.inference_mode(mode=False)


@dataclass(frozen=True)
class Window:
    """Where the tokens of one ragged forward go, and what they may see.

    Numbers at first; what is needed of them as tensors is made when it is asked for.

    Attributes:
        slots: The contiguous slots taking part; row r of the forward is slot slots.start + r.
        starts: What each row held before: the column of its first token.
        certain: Tokens of each row that stay, one at least.
        drafts: By the place of a row, what follows its certain tokens.
        device: Where the forward runs.
        dtype: Of its mask.
        asked: (row, place) of the tokens after which the forward is read; None for each row's last
            certain one, then every drafted one, row by row.
    """

    slots: slice
    starts: tuple[int, ...]
    certain: tuple[int, ...]
    drafts: Mapping[int, Draft]
    device: torch.device
    dtype: torch.dtype
    asked: tuple[tuple[int, int], ...] | None = None

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Tokens of each row that are real; rows are padded on the right."""
        drafts = self.drafts
        return tuple(n + len(drafts.get(row, ())) for row, n in enumerate(self.certain))

    @cached_property
    def width(self) -> int:
        """Tokens of the widest row."""
        return max(self.counts)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """What each row holds after the write."""
        return tuple(map(sum, zip(self.starts, self.counts, strict=True)))

    @cached_property
    def length(self) -> int:
        """Columns to read."""
        return max(self.ends)

    @property
    def extent(self) -> int:
        """Columns to hold: padding may write past `length`."""
        return max(self.starts) + self.width

    @cached_property
    def trees(self) -> Mapping[int, Draft]:
        """The drafts with branches, which do not see one another."""
        return {row: draft for row, draft in self.drafts.items() if not draft.is_chain}

    @cached_property
    def read_at(self) -> tuple[tuple[int, int], ...]:
        """(row, place) wherever the forward is read."""
        if self.asked is not None:
            return self.asked
        lasts = [(row, count - 1) for row, count in enumerate(self.certain)]
        nodes = [
            (row, self.certain[row] + node)
            for row in sorted(self.drafts)
            for node in range(len(self.drafts[row]))
        ]
        return (*lasts, *nodes)

    @cached_property
    @_kept
    def columns(self) -> Tensor:
        """int64 [rows, q]; column of each token, padding included."""
        starts = torch.tensor(self.starts)[:, None]
        return (starts + torch.arange(self.width)).to(self.device)

    @cached_property
    @_kept
    def positions(self) -> Tensor:
        """int64 [rows, q]; its position: the column, but in a drafted tree with branches."""
        if not self.trees:
            return self.columns
        positions = self.columns.clone()
        for row, draft in self.trees.items():
            first = self.certain[row]
            depths = torch.tensor(draft.depths, device=self.device)
            positions[row, first : first + len(draft)] = self.starts[row] + first + depths
        return positions

    @cached_property
    @_kept
    def hidden(self) -> Tensor | None:
        """Bool [rows, q, length], the columns that a token may not see; None without `trees`."""
        if not self.trees:
            return None
        hidden = torch.arange(self.length, device=self.device) > self.columns[:, :, None]
        for row, apart in self.apart():
            self.own(hidden[row, self.certain[row] :], row)[:] = apart
        return hidden

    def apart(self) -> Iterator[tuple[int, Tensor]]:
        """Each row with a tree, and bool [nodes, nodes], which nodes do not see which."""
        for row, draft in self.trees.items():
            yield row, ~torch.tensor(draft.lineage, device=self.device)

    def own(self, hidden: Tensor, row: int) -> Tensor:
        """Of what is hidden, [tokens, length] from the row's draft on, its own nodes' part."""
        size = len(self.drafts[row])
        return hidden[:size, self.ends[row] - size : self.ends[row]]

    @cached_property
    @_kept
    def last(self) -> Tensor:
        """int64 [rows]; index of each row's last certain token in the flattened [rows * q]."""
        places = [row * self.width + count - 1 for row, count in enumerate(self.certain)]
        return torch.tensor(places, device=self.device)

    @cached_property
    @_kept
    def reads(self) -> Tensor:
        """int64 [n], where the forward is read, in the same way."""
        places = [row * self.width + place for row, place in self.read_at]
        return torch.tensor(places, dtype=torch.int64, device=self.device)

    @cached_property
    @_kept
    def mask(self) -> Tensor | None:
        """Additive float mask [rows, 1, q, length]; None where every column is visible."""
        if self.width == 1 and min(self.ends) == self.length:
            return None
        return self.dense_mask(self.dtype)

    def at_last(self, tensor: Tensor) -> Tensor:
        """[rows, q, ...] at each row's last certain token, [rows, ...]."""
        if min(self.certain) == tensor.shape[1]:
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
