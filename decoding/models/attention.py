"""Attention over the slots of a cache, for networks whose other layers work on flat tokens.

Two ways with the same answers. `Padded` reads all rows in one call, as wide as the widest and as
long as the longest; that suits a GPU, gradients, and whoever looks at the weights. `Packed` reads
each row as it is, and together only such as are much alike: on a CPU what padding costs is worth
many calls, and the answer of a row depends little on its company.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from tether.decoding.cache import SlotLayer
from tether.decoding.models.base import Watch, looks
from tether.decoding.models.flat import Flat, Tail
from tether.decoding.window import Window

_CALL = 1 << 17  # multiplications that cost as much as another call


def attend(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, is_causal: bool = False
) -> Tensor:
    """[rows, heads, q, dim] x [rows, kv_heads, length, dim] -> [rows * q, heads * dim]."""
    rows, heads, width, dim = query.shape
    grouped = heads != keys.shape[1]
    seen = F.scaled_dot_product_attention(
        query, keys, values, mask, is_causal=is_causal, enable_gqa=grouped
    )
    return seen.transpose(1, 2).reshape(rows * width, heads * dim)


class Padded:
    """All rows of a forward in one call.

    Args:
        window: Of the forward.
        flat: Its tokens.
        watch: Takes what some heads look at.
    """

    def __init__(self, window: Window, flat: Flat, watch: Watch | None) -> None:
        self._window, self._real, self._watch = window, flat.real, watch

    def __call__(
        self, number: int, held: SlotLayer, query: Tensor, key: Tensor, value: Tensor
    ) -> Tensor:
        """Write keys and values [tokens, kv_heads, dim] of layer `number`, and read them.

        Returns:
            [tokens, heads * dim].
        """
        window, real = self._window, self._real
        wide = self._pad(query)
        keys, values = held.update(self._pad(key), self._pad(value), window)
        if self._watch is not None and (heads := self._watch.at(number)):
            self._watch.keep(looks(wide, keys, heads, window, window.mask))
        seen = attend(wide, keys, values, window.mask)
        return seen if real is None else seen[real]

    def _pad(self, tensor: Tensor) -> Tensor:
        """[tokens, heads, dim] -> [rows, heads, q, dim], zeros where there is no token."""
        rows, width = len(self._window.counts), self._window.width
        if self._real is not None:
            padded = tensor.new_zeros((rows * width, *tensor.shape[1:]))
            padded[self._real] = tensor
            tensor = padded
        return tensor.view(rows, width, *tensor.shape[1:]).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows side by side with as many tokens each, which attend in one call.

    Attributes:
        slots: Of the rows.
        tokens: Of all of them, among the flat ones.
        width: Tokens a row.
        length: Columns that are read.
        mask: Additive float mask [rows, 1, width, length]; None hides nothing, or see `is_causal`.
        is_causal: The rows held nothing before: a token sees those up to its own.
    """

    slots: slice
    tokens: slice
    width: int
    length: int
    mask: Tensor | None
    is_causal: bool

    def attend(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """[tokens, heads, dim] of all rows x the slots' [kv_heads, capacity, dim], for these."""
        own = query[self.tokens]
        own = own.view(-1, self.width, *own.shape[1:]).transpose(1, 2)
        keys, values = keys[self.slots, :, : self.length], values[self.slots, :, : self.length]
        return attend(own, keys, values, self.mask, is_causal=self.is_causal)


class Packed:
    """Each row of a forward by itself, or with others that are much alike.

    Attributes:
        groups: Rows that attend in one call, in order.

    Args:
        window: Of the forward.
        flat: Its tokens.
        size: Numbers of all query heads.
        tail: The tokens that ask, where the others are but seen; None where all do.
    """

    def __init__(self, window: Window, flat: Flat, size: int, tail: Tail | None = None) -> None:
        self._window, self._flat, self._size, self._tail = window, flat, size, tail
        self._widths = window.counts if tail is None else tail.sizes
        self._at = flat.rows + window.slots.start, flat.columns
        self.groups = [self._group(rows) for rows in self._alike()]

    def __call__(
        self, number: int, held: SlotLayer, query: Tensor, key: Tensor, value: Tensor
    ) -> Tensor:
        """See Padded; the query has the tokens that ask."""
        keys, values = held.put(key, value, self._window, self._at)
        parts = [group.attend(query, keys, values) for group in self.groups]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _alike(self) -> Iterator[range]:
        """Rows that attend together: where the columns they would read in vain cost no call."""
        ends = self._window.ends
        first, longest, total = 0, ends[0], 0
        for row, (width, end) in enumerate(zip(self._widths, ends, strict=True)):
            longest, total = max(longest, end), total + end
            vain = longest * (row - first + 1) - total
            if width != self._widths[first] or 2 * self._size * width * vain > _CALL:
                yield range(first, row)
                first, longest, total = row, end, end
        yield range(first, len(ends))

    def _group(self, rows: range) -> Group:
        ends, width, first = self._window.ends, self._widths[rows.start], self._window.slots.start
        before = sum(self._widths[: rows.start])
        tokens, length = slice(before, before + width * len(rows)), max(ends[r] for r in rows)
        is_level = all(ends[row] == length for row in rows)
        is_causal = is_level and width == length and not self._window.trees
        mask = None
        if not is_causal and not (is_level and width == 1):
            mask = self._mask[tokens, :length].view(len(rows), 1, width, length)
        slots = slice(first + rows.start, first + rows.stop)
        return Group(slots, tokens, width, length, mask, is_causal)

    @cached_property
    def _mask(self) -> Tensor:
        """Additive float mask [tokens that ask, length]."""
        return self._flat.mask if self._tail is None else self._flat.mask[self._tail.kept]
