"""Slots of a key/value cache: ragged rows, exact rollback, refill while others run.

Each row owns a slot; its token at position p lies in column p of that slot, always. So positions,
columns and lengths are one number: rolling back is lowering a length, refilling is setting it to
zero, and what lies beyond a length is dead and is overwritten by the next write. Only the tokens of
a drafted tree lie in columns as they come, until those that are kept are moved to their places.

Knows tensors and lengths; does not know any model. `models/huggingface.py` puts these layers
behind the library's `Cache`, `models/lean.py` uses them as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tether.decoding.drafts.draft import Draft

_GROWTH = 128  # columns are added in steps of this many


@dataclass(frozen=True)
class Window:
    """Where the tokens of one ragged forward go, and what they may see.

    Attributes:
        slots: The contiguous slots taking part; row r of the forward is slot slots.start + r.
        columns: int64 [rows, q]; column of each token, padding included.
        positions: int64 [rows, q]; its position: the column, but in a drafted tree with branches.
        counts: Tokens of each row that are real; the others are padding on the right.
        length: Columns to read: the largest length after the write.
        extent: Columns to hold: padding may write past `length`.
        mask: Additive float mask [rows, 1, q, length]; None where every column is visible.
        last: int64 [rows]; index of each row's last certain token in the flattened [rows * q].
        hidden: Bool [rows, q, length], the columns that a token may not see, where branches of a
            drafted tree do not see one another; None where it sees all up to its own.
        reads: int64 [n], where the forward is read, in the same way: `last`, then every drafted
            token. `states.py` puts every real token there.
    """

    slots: slice
    columns: Tensor
    positions: Tensor
    counts: tuple[int, ...]
    length: int
    extent: int
    mask: Tensor | None
    last: Tensor
    hidden: Tensor | None
    reads: Tensor

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


class SlotLayer:
    """Keys and values of one layer, float [slots, kv_heads, capacity, head_dim], zero at first.

    Zero and not empty: a masked column still takes part in 0 * value, which NaN would poison.
    """

    def __init__(self, num_slots: int) -> None:
        self.num_slots = num_slots
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def update(self, keys: Tensor, values: Tensor, window: Window) -> tuple[Tensor, Tensor]:
        """Write [rows, kv_heads, q, head_dim] at the window's columns; give all that is visible.

        Returns:
            Keys and values, views [rows, kv_heads, window.length, head_dim].
        """
        own_keys, own_values = self._reserve(keys, window.extent)
        _write(own_keys[window.slots], keys, window)
        _write(own_values[window.slots], values, window)
        return (
            own_keys[window.slots, :, : window.length],
            own_values[window.slots, :, : window.length],
        )

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` columns of slot `source` over slot `target`."""
        self.reserve(0)
        for tensor in (self.keys, self.values):
            if tensor is not None:
                tensor[target, :, :length] = tensor[source, :, :length]

    def swap(self, one: int, other: int, length: int) -> None:
        """Exchange the first `length` columns of two slots."""
        for tensor in (self.keys, self.values):
            if tensor is not None:
                kept = tensor[one, :, :length].clone()
                tensor[one, :, :length] = tensor[other, :, :length]
                tensor[other, :, :length] = kept

    def gather(self, slot: int, columns: Tensor, target: int) -> None:
        """Copy some columns of a slot to those from `target` on."""
        for tensor in (self.keys, self.values):
            if tensor is not None:
                tensor[slot, :, target : target + len(columns)] = tensor[slot, :, columns]

    def reserve(self, columns: int) -> None:
        """Make room for so many columns, and for all slots, where anything is held."""
        if self.keys is not None:
            self._reserve(self.keys, columns)

    def _reserve(self, like: Tensor, columns: int) -> tuple[Tensor, Tensor]:
        """Room for so many columns and one that no token ever has (`models/static.py`)."""
        columns += 1
        rows, held = (0, 0) if self.keys is None else (self.keys.shape[0], self.keys.shape[2])
        if self.keys is None or self.values is None or held < columns or rows < self.num_slots:
            wanted = held if held >= columns else max(columns, held * 3 // 2)
            capacity = -(-wanted // _GROWTH) * _GROWTH
            shape = (self.num_slots, like.shape[1], capacity, like.shape[3])
            grown = like.new_zeros(shape), like.new_zeros(shape)
            if self.keys is not None and self.values is not None:
                grown[0][:rows, :, :held] = self.keys
                grown[1][:rows, :, :held] = self.values
            self.keys, self.values = grown
        return self.keys, self.values


def _write(target: Tensor, new: Tensor, window: Window) -> None:
    """Target [rows, heads, capacity, dim] <- new [rows, heads, q, dim] at window.columns."""
    if target.shape[0] == 1:
        start = window.length - window.counts[0]
        target[:, :, start : start + new.shape[2]] = new
    else:
        rows = torch.arange(target.shape[0], device=new.device)[:, None]
        target[rows, :, window.columns] = new.transpose(1, 2)  # [rows, q, heads, dim]


class SlotCache:
    """The slots of one loop: a length per slot and a SlotLayer per model layer."""

    def __init__(self, num_layers: int, num_slots: int) -> None:
        self.num_slots = num_slots
        self.lengths = [0] * num_slots
        self.layers = [SlotLayer(num_slots) for _ in range(num_layers)]

    def grow(self, num_slots: int) -> None:
        """Hold at least this many slots; new ones are empty."""
        if num_slots > self.num_slots:
            self.lengths += [0] * (num_slots - self.num_slots)
            self.num_slots = num_slots
            for layer in self.layers:
                layer.num_slots = num_slots

    def window(
        self,
        first: int,
        counts: Sequence[int],
        *,
        device: torch.device,
        dtype: torch.dtype,
        drafts: Mapping[int, Draft] | None = None,
    ) -> Window:
        """Plan a forward of counts[r] new tokens for slot first + r. Changes nothing.

        Args:
            first: The first slot.
            counts: Of the tokens that are certain.
            device: Where the forward runs.
            dtype: Of its mask.
            drafts: By the place of a row, what follows its certain tokens.
        """
        certain, drafts = counts, drafts or {}
        counts = [count + len(drafts.get(row, ())) for row, count in enumerate(certain)]
        rows, width = len(counts), max(counts)
        starts = self.lengths[first : first + rows]
        length = max(start + count for start, count in zip(starts, counts, strict=True))
        columns = torch.tensor(starts)[:, None] + torch.arange(width)
        last = torch.arange(rows) * width + torch.tensor(certain) - 1
        positions, hidden = _branches(columns, certain, drafts, length)
        mask = None
        if width > 1 or min(starts) + 1 < length:
            unseen = torch.arange(length) > columns[:, :, None] if hidden is None else hidden
            mask = additive(unseen, dtype)[:, None].to(device)
        return Window(
            slots=slice(first, first + rows),
            columns=columns.to(device),
            positions=positions.to(device),
            counts=tuple(counts),
            length=length,
            extent=max(starts) + width,
            mask=mask,
            last=last.to(device),
            hidden=None if hidden is None else hidden.to(device),
            reads=_reads(last, drafts).to(device),
        )

    def commit(self, window: Window) -> None:
        """Count the tokens of a finished forward as held."""
        for slot, count in enumerate(window.counts, window.slots.start):
            self.lengths[slot] += count

    @torch.inference_mode()
    def keep(self, slot: int, length: int, nodes: Sequence[int]) -> None:
        """Of a slot's drafted tokens, which follow its first `length`, keep a path, and no others.

        Args:
            slot: It was in the last forward.
            length: Its certain tokens.
            nodes: Of the draft, from the first down.
        """
        if list(nodes) != list(range(len(nodes))):
            columns = torch.tensor(nodes) + length
            for layer in self.layers:
                layer.gather(slot, columns, length)
        self.lengths[slot] = length + len(nodes)

    def rollback(self, slot: int, num_tokens: int) -> None:
        """Forget the last `num_tokens` tokens of a slot, exactly."""
        if not 0 <= num_tokens <= self.lengths[slot]:
            raise ValueError(f"slot {slot} holds {self.lengths[slot]} tokens, not {num_tokens}")
        self.lengths[slot] -= num_tokens

    @torch.inference_mode()  # keys and values were made under it
    def copy(self, source: int, target: int, length: int) -> None:
        """Begin slot `target` with the first `length` columns that lie in another, or in itself."""
        if source != target:
            for layer in self.layers:
                layer.move(source, target, length)
        self.lengths[target] = length

    @torch.inference_mode()
    def swap(self, one: int, other: int) -> None:
        """Exchange the rows of two slots."""
        lengths = self.lengths
        for layer in self.layers:
            layer.swap(one, other, max(lengths[one], lengths[other]))
        lengths[one], lengths[other] = lengths[other], lengths[one]

    @torch.inference_mode()
    def move(self, source: int, target: int) -> None:
        """Move a row to another slot; `source` is free afterwards."""
        for layer in self.layers:
            layer.move(source, target, self.lengths[source])
        self.lengths[target], self.lengths[source] = self.lengths[source], 0


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
