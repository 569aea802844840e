"""The allowed tokens of one row and their scores, listed or as the whole row under its mask.

Knows how to find the best tokens without sorting or copying a row: the maxima of a few thousand
strips say where a score above a cut can be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.int64]
Words = NDArray[np.uint32]

_LISTED_SHARE = 8  # at most 1/8 of the vocabulary allowed: cheaper as a list
_SHORT = 4096  # rows so short are cheaper as a list under any mask, and without strips
_STRIP = 64  # scores under one maximum; strip c holds the tokens c, c + width, c + 2 width, ...


@dataclass(slots=True)
class Tokens:
    """Allowed tokens and their scores; made new, never changed, by what reshapes them.

    Attributes:
        scores: float [n].
        ids: int64 [n], rising; None where `scores` is the whole row.
        words: uint32, the mask that holds where `ids` is None; None allows all.
    """

    scores: Floats
    ids: Ids | None = None
    words: Words | None = None
    _maxima: Floats | None = field(default=None, repr=False)
    _leaders: Tokens | None = field(default=None, repr=False)
    _best: float | None = field(default=None, repr=False)

    @classmethod
    def of(cls, row: Floats, words: Words | None) -> Tokens:
        """The tokens that a mask allows; few of them as a list."""
        if words is None:
            return cls(row)
        if len(row) <= _SHORT:
            ids = np.flatnonzero(bits(words, len(row)))
        elif is_sparse(words, len(row)):
            ids = listed(words, len(row))
        else:
            return cls(row, None, words)
        return cls(row[ids], ids)

    def best(self) -> float:
        """The best score; not finite where the row is not fit to compute with."""
        if self._best is None:
            place = int(self.scores.argmax())
            self._best = float(self.scores[place])
            if math.isfinite(self._best) and not self.allows(place):
                self._best = float(self.leaders().scores.max())
        return self._best

    def leaders(self) -> Tokens:
        """The two best tokens among a few others, as a list; one where no second is allowed."""
        if self._leaders is None:
            self._leaders = self.top(2)
        return self._leaders

    def lookup(self, row: Floats) -> Floats:
        """What a whole row says of these tokens."""
        return row if self.ids is None else row[self.ids]

    def places(self, ids: Ids) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where `ids` stand among the scores, and which of them do; -1 never does."""
        if self.ids is None:
            return ids, ids >= 0
        found = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        return found, self.ids[found] == ids

    def allows(self, place: int) -> bool:
        """Whether the token at a place among the scores is allowed."""
        return self.words is None or bool(int(self.words[place >> 5]) >> (place & 31) & 1)

    def allowed(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of these tokens of the whole row the mask allows."""
        if self.words is None:
            return np.ones(len(ids), dtype=np.bool_)
        bit = np.uint32(1) << (ids & 31).astype(np.uint32)
        held: NDArray[np.bool_] = (self.words[ids >> 5] & bit) != 0
        return held

    def masses(self, heat: float) -> tuple[Floats, Floats]:
        """Scores over `heat` with the best allowed one at 0, and e to the power of them.

        The mass of a refused token is 0, and its score means nothing.
        """
        shifted = (self.scores - self.best()) / heat
        if self.words is None:
            return shifted, np.exp(shifted)
        np.minimum(shifted, 0, out=shifted)  # a refused token may be far better than the best
        masses = np.exp(shifted)
        masses *= bits(self.words, len(masses))
        return shifted, masses

    def above(self, cut: float) -> Tokens:
        """The tokens whose score is at least `cut`, as a list."""
        if self.ids is not None:
            kept = np.flatnonzero(self.scores >= cut)
            return Tokens(self.scores[kept], self.ids[kept])
        ids = self._above(cut)
        if self.words is not None:
            ids = ids[self.allowed(ids)]
        return Tokens(self.scores[ids], ids)

    def all(self) -> Tokens:
        """These tokens as a list."""
        if self.ids is not None:
            return self
        if self.words is None:
            return Tokens(self.scores, np.arange(len(self.scores)))
        ids = np.flatnonzero(bits(self.words, len(self.scores)))
        return Tokens(self.scores[ids], ids)

    def top(self, count: int) -> Tokens:
        """At least the `count` best tokens (all, where there are fewer), as a list."""
        if self.ids is not None:
            return self
        if len(self.scores) <= _SHORT:
            return self.all()
        maxima = self._strip_maxima()
        reach = count if self.words is None else 2 * count + 8
        while reach < len(maxima):
            place = len(maxima) - reach
            found = self.above(float(np.partition(maxima, place)[place]))
            if len(found.scores) >= count:
                return found
            reach *= 8
        return self.all()

    def _above(self, cut: float) -> Ids:
        """Ids of the whole row's scores that are at least `cut`, rising; the mask is not asked."""
        if len(self.scores) <= _SHORT:
            return np.flatnonzero(self.scores >= cut)
        maxima = self._strip_maxima()
        strips = np.flatnonzero(maxima >= cut)
        width = len(maxima)
        if len(strips) * 4 >= width:
            return np.flatnonzero(self.scores >= cut)
        body = self.scores[: width * _STRIP].reshape(_STRIP, width)
        level, strip = np.nonzero(body[:, strips] >= cut)
        tail = np.flatnonzero(self.scores[width * _STRIP :] >= cut) + width * _STRIP
        return np.concatenate((level * width + strips[strip], tail))

    def _strip_maxima(self) -> Floats:
        """The best score of each strip; the last tokens (fewer than one a strip) are in none."""
        if self._maxima is None:
            width = len(self.scores) // _STRIP
            body = self.scores[: width * _STRIP].reshape(_STRIP, width)
            self._maxima = body.max(axis=0)
        return self._maxima


def is_sparse(words: Words, vocab: int) -> bool:
    """Whether a mask allows so few tokens that a list of them is the shorter way."""
    return int(np.bitwise_count(words).sum()) * _LISTED_SHARE <= vocab


def listed(words: Words, vocab: int) -> Ids:
    """The allowed tokens, rising. Only words with a set bit are unpacked."""
    filled = np.flatnonzero(words)
    place = np.flatnonzero(bits(words[filled], 32 * len(filled)))
    ids: Ids = filled[place >> 5] * 32 + (place & 31)
    return ids[: np.searchsorted(ids, vocab)]  # bits past the vocabulary mean nothing


def bits(words: Words, count: int) -> NDArray[np.uint8]:
    """The first `count` bits of a mask, each 0 or 1; our machines are little-endian."""
    return np.unpackbits(words.view(np.uint8), count=count, bitorder="little")
