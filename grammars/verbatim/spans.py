"""The quotes that one string may be, and how a text on its way to one may go on.

A state is a range of suffixes: those that begin with the text so far and have room for a whole
quote. It is never left without one, so a quote that has begun can always be ended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tether.grammars.constraint import Mask
from tether.grammars.verbatim.suffixes import BREAK, Ints, Suffixes
from tether.grammars.verbatim.table import Ids, Table, table
from tether.grammars.vocabulary import Vocabulary

_FEW = 64
"""Suffixes that are read one by one; where there are more, all of them are walked at once."""
_KEPT = 512
"""Masks of wide ranges that are kept, as many rows stand at the beginning of a quote."""


class Span(NamedTuple):
    """The suffixes order[low:high], which share their first `depth` bytes."""

    low: int
    high: int
    depth: int


class Spans:
    """What one string may quote.

    Args:
        suffixes: Of the evidence.
        least: The fewest characters of a quote.
        longest: int32 [n] beside `suffixes.order`: characters of the longest quote that begins
            with a suffix, 0 for none; None where every length goes.
    """

    def __init__(self, suffixes: Suffixes, least: int, longest: Ints | None = None) -> None:
        self.suffixes, self.least = suffixes, max(1, least)
        good = suffixes.room >= self.least
        if longest is not None:
            good &= longest >= self.least
        self._order = suffixes.order if good.all() else suffixes.order[good]
        self._longest = longest if longest is None else longest[good]
        self._masks: OrderedDict[tuple[str, Span, bool], Mask] = OrderedDict()

    def __len__(self) -> int:
        """Places where a quote may begin."""
        return len(self._order)

    def start(self) -> Span:
        """Before the first byte."""
        return Span(0, len(self._order), 0)

    def num_characters(self, span: Span) -> int:
        """Characters said so far, one that has only begun included."""
        at = self._order[span.low]
        return int(self.suffixes.count[at + span.depth] - self.suffixes.count[at])

    def may_close(self, span: Span) -> bool:
        """Whether the quote is long enough."""
        return span.depth > 0 and self.num_characters(span) >= self.least

    def is_whole(self, span: Span) -> bool:
        """Whether the text ends with a whole character."""
        at = int(self._order[span.low]) + span.depth
        return int(self.suffixes.bytes[at]) & 0xC0 != 0x80

    def is_over(self, span: Span) -> bool:
        """Whether nothing can follow."""
        at = (int(self._order[place]) + span.depth for place in range(span.low, span.high))
        return span.depth > 0 and all(self.suffixes.data[end] == BREAK for end in at)

    def is_escaping(self, span: Span) -> bool:
        """Whether the text ends inside an escape."""
        if not self.suffixes.escaped or not span.depth:
            return False
        at = int(self._order[span.low])
        text = self.suffixes.data[at : at + span.depth]
        return (len(text) - len(text.rstrip(b"\\"))) % 2 == 1

    def walk(self, span: Span, piece: bytes) -> Span | None:
        """The state after `piece`, or None where no quote goes on so."""
        low, high, depth = span
        for byte in piece:
            if byte == BREAK:
                return None
            key = partial(_at, self.suffixes.data, depth)
            order = self._order
            low = bisect_left(order, byte, low, high, key=key)
            high = bisect_left(order, byte + 1, low, high, key=key)
            depth += 1
            if low == high:
                return None
        after = Span(low, high, depth)
        return after if self._has_room(after) else None

    def rest(self, span: Span) -> bytes:
        """The shortest way on to where the quote may close, along its first place."""
        at = int(self._order[span.low])
        begun = int(self.suffixes.count[at])
        wanted = begun + max(self.least, self.num_characters(span))
        end = at + span.depth
        while self.suffixes.count[end + 1] <= wanted and self.suffixes.data[end] != BREAK:
            end += 1
        return self.suffixes.data[at + span.depth : end]

    def ahead(self, span: Span, most: int) -> bytes:
        """What its first place goes on with: whole characters, at most so many bytes."""
        at = int(self._order[span.low]) + span.depth
        text = self.suffixes.data[at : at + most].partition(bytes([BREAK]))[0]
        return text.decode(errors="ignore").encode()

    def mask(self, vocabulary: Vocabulary, span: Span) -> Mask:
        """The tokens that stay on the way to a quote or close it, int32 [words]. Not to be changed.

        Tokens that close it and go on are judged up to there only.
        """
        is_escaping = self.is_escaping(span)
        tokens = table(vocabulary, escaped=self.suffixes.escaped, after_backslash=is_escaping)
        if span.high - span.low <= _FEW:
            return _packed(self._read(span, tokens), vocabulary)
        key = vocabulary.key, span, is_escaping
        mask = self._masks.get(key)
        if mask is None:
            mask = self._masks[key] = _packed(self._walked(span, tokens), vocabulary)
            if len(self._masks) > _KEPT:
                self._masks.popitem(last=False)
        return mask

    def _has_room(self, span: Span) -> bool:
        """Whether some quote that is not yet over goes on here."""
        if self._longest is None:
            return True
        return int(self._longest[span.low : span.high].max()) >= self.num_characters(span)

    def _read(self, span: Span, tokens: Table) -> Ids:
        """The tokens that some suffix of a narrow range goes on with."""
        found: set[int] = set()
        data, depth, count = self.suffixes.data, span.depth, self.suffixes.count
        for place in range(span.low, span.high):
            start = int(self._order[place])
            most = None if self._longest is None else int(self._longest[place])
            at = end = start + depth
            while (piece := data[at:end]) in tokens.known:
                characters = int(count[end] - count[start])
                if most is not None and characters > most:
                    break
                found.update(tokens.within.get(piece, ()))
                if characters >= self.least:
                    found.update(tokens.closing.get(piece, ()))
                if data[end] == BREAK:
                    break
                end += 1
        return np.fromiter(found, dtype=np.int64)

    def _walked(self, span: Span, tokens: Table) -> Ids:
        """The same for a wide range, all pieces of one length at a time."""
        low, high = np.array([span.low]), np.array([span.high])
        nodes = np.array([0])
        found = [_closing_at_once(tokens)] if self.may_close(span) else []
        width = 1
        for depth, level in enumerate(tokens.levels, span.depth):
            place = np.full(width, -1, dtype=np.int64)
            place[nodes] = np.arange(len(nodes))
            nodes = np.flatnonzero(place[level.parents] >= 0)
            parents = place[level.parents[nodes]]
            byte = level.bytes[nodes]
            first = self._lower(low[parents], high[parents], byte, depth)
            last = self._lower(first, high[parents], byte.astype(np.int64) + 1, depth)
            alive = (first < last) & (byte != BREAK)
            nodes, low, high = nodes[alive], first[alive], last[alive]
            if not nodes.size:
                break
            kept, long_enough = self._judged(low, high, depth + 1)
            nodes, low, high, long_enough = nodes[kept], low[kept], high[kept], long_enough[kept]
            width = len(level.parents)
            is_alive, may_close = np.zeros((2, width), dtype=np.bool_)
            is_alive[nodes], may_close[nodes[long_enough]] = True, True
            found.append(level.within[1][is_alive[level.within[0]]])
            found.append(level.closing[1][may_close[level.closing[0]]])
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def _judged(
        self, low: Ids, high: Ids, depth: int
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Of disjoint ranges: which have a quote that goes on, and which are one already."""
        at = self._order[low]
        characters = self.suffixes.count[at + depth] - self.suffixes.count[at]
        long_enough = characters >= self.least
        if self._longest is None:
            return np.ones(len(low), dtype=np.bool_), long_enough
        most = [self._longest[a:b].max() for a, b in zip(low, high, strict=True)]
        return np.array(most) >= characters, long_enough

    def _lower(self, low: Ids, high: Ids, byte: npt.NDArray[np.integer], depth: int) -> Ids:
        """In each range the first suffix whose byte at `depth` is not below `byte`."""
        low, high = low.copy(), high.copy()
        last = len(self.suffixes.bytes) - 1  # ranges that are closed already look anywhere
        while (open_ := low < high).any():
            middle = np.where(open_, (low + high) >> 1, 0)
            at = np.minimum(self._order[middle] + depth, last)
            less = open_ & (self.suffixes.bytes[at] < byte)
            low = np.where(less, middle + 1, low)
            high = np.where(open_ & ~less, middle, high)
        return low


class Quote(NamedTuple):
    """A quote that is going on: what may be quoted, and how far it has come."""

    spans: Spans
    span: Span

    @property
    def is_json(self) -> bool:
        """Whether it is a JSON string, which a quotation mark closes; else the text's end does."""
        return self.spans.suffixes.escaped

    def inside(self, vocabulary: Vocabulary) -> Mask:
        """The tokens that do not close it, whatever they say, int32 [words]."""
        return _inside(vocabulary, self.is_json, self.spans.is_escaping(self.span))


@lru_cache(maxsize=16)
def _inside(vocabulary: Vocabulary, escaped: bool, after_backslash: bool) -> Mask:
    pieces = table(vocabulary, escaped=escaped, after_backslash=after_backslash).within
    ids = [token for tokens in pieces.values() for token in tokens]
    return _packed(np.array(ids, dtype=np.int64), vocabulary)


def _at(data: bytes, depth: int, start: int) -> int:
    """A suffix's byte; past its break, where nothing is looked up any more, anything."""
    return data[start + depth]


def _closing_at_once(tokens: Table) -> Ids:
    return np.array(tokens.closing.get(b"", []), dtype=np.int64)


def _packed(ids: Ids, vocabulary: Vocabulary) -> Mask:
    bits = np.zeros(vocabulary.num_words * 32, dtype=np.uint8)
    bits[ids] = 1
    return np.packbits(bits, bitorder="little").view(np.int32)
