"""Slots of a key/value cache: ragged rows, exact rollback, refill while others run.

Each row owns a slot; its token at position p lies in column p of that slot, always. So positions,
columns and lengths are one number: rolling back is lowering a length, refilling is setting it to
zero, and what lies beyond a length is dead and is overwritten by the next write. Only the tokens of
a drafted tree lie in columns as they come, until those that are kept are moved to their places.

Knows tensors and lengths; does not know any model. `models/huggingface.py` puts these layers
behind the library's `Cache`, `models/lean.py` uses them as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tether.decoding.drafts.draft import Draft
from tether.decoding.window import Window

_GROWTH = 128  # columns are added in steps of this many
_LONG = 16  # tokens a row from which on each row is copied whole


class SlotLayer:
    """Keys and values of one layer, float [slots, kv_heads, capacity, head_dim], zero at first.

    Attributes:
        num_slots: To hold.
        expected: Columns that will be needed at least, for which it grows once.

    Zero and not empty: a masked column still takes part in 0 * value, which NaN would poison.
    """

    def __init__(self, num_slots: int) -> None:
        self.num_slots, self.expected = num_slots, 0
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

    def put(
        self, keys: Tensor, values: Tensor, window: Window, at: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Write the window's real tokens, [tokens, kv_heads, head_dim]; give all.

        Args:
            keys: Of the tokens.
            values: Of the tokens.
            window: Of the forward.
            at: Where each of them goes, int64 slots and columns [tokens].

        Returns:
            Keys and values of all slots, [slots, kv_heads, capacity, head_dim].
        """
        own = self._reserve(keys, window.length)
        for target, new in zip(own, (keys, values), strict=True):
            if len(new) < _LONG * len(window.counts):
                target[at[0], :, at[1]] = new
            else:
                _write_rows(target, new, window)
        return own

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
            wanted = held if held >= columns else max(columns, held * 3 // 2, self.expected)
            capacity = -(-wanted // _GROWTH) * _GROWTH
            shape = (self.num_slots, like.shape[1], capacity, like.shape[-1])
            grown = _zeros(like, shape), _zeros(like, shape)
            if self.keys is not None and self.values is not None:
                grown[0][:rows, :, :held] = self.keys
                grown[1][:rows, :, :held] = self.values
            self.keys, self.values = grown
        return self.keys, self.values


def _zeros(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """As `like.new_zeros(shape)`; on a CPU, memory that is never written is never touched."""
    if not like.is_cpu:
        return like.new_zeros(shape)
    raw = np.zeros(math.prod(shape) * like.element_size(), dtype=np.uint8)
    return torch.from_numpy(raw).view(like.dtype).view(shape)


def _write(target: Tensor, new: Tensor, window: Window) -> None:
    """Target [rows, heads, capacity, dim] <- new [rows, heads, q, dim] at window.columns."""
    if target.shape[0] == 1:
        start = window.starts[0]
        target[:, :, start : start + new.shape[2]] = new
    else:
        rows = torch.arange(target.shape[0], device=new.device)[:, None]
        target[rows, :, window.columns] = new.transpose(1, 2)  # [rows, q, heads, dim]


def _write_rows(target: Tensor, new: Tensor, window: Window) -> None:
    """Target [slots, heads, capacity, dim] <- new [tokens, heads, dim], row by row."""
    parts, first = torch.split(new, list(window.counts)), window.slots.start
    for row, (start, part) in enumerate(zip(window.starts, parts, strict=True)):
        target[first + row, :, start : start + len(part)] = part.transpose(0, 1)


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

    def expect(self, columns: int) -> None:
        """Rows of so many tokens are coming."""
        for layer in self.layers:
            layer.expected = max(layer.expected, columns)

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
        slots = slice(first, first + len(counts))
        starts = tuple(self.lengths[slots])
        return Window(slots, starts, tuple(counts), drafts or {}, device, dtype)

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
