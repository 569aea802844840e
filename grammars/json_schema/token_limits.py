"""`x-tether-max-tokens`: how many tokens a string may take, as a wish of the schema's author.

A string that has spent them is closed where the rest of the schema lets it be: `pattern`,
`minLength` and their like still win, and a character that has begun is finished.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Self

import numpy as np

from tether.grammars.budget import BudgetedMatcher, Shortest
from tether.grammars.constraint import Mask
from tether.grammars.guarded import GuardedMatcher
from tether.grammars.json_schema.places import Place, at_place, places
from tether.grammars.json_schema.scanner import State, path, scan
from tether.grammars.vocabulary import Vocabulary
from tether.types import Json

KEYWORD = "x-tether-max-tokens"
_CLOSES = re.compile(rb'(?:[^"\\]|\\.)*"')


class TokenLimits:
    """The limits of a schema by place; references to itself are followed some way only."""

    def __init__(self, schema: Json) -> None:
        self._root = schema
        self._places: dict[Place, int] = {}
        if KEYWORD in json.dumps(schema):  # a tenth of the time of a walk
            for place, limit in self._walk():
                self._places[place] = min(limit, self._places.get(place, limit))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._places)

    def at(self, where: tuple[str | int, ...]) -> int | None:
        """The limit of the value at a path."""
        found = (limit for place, limit in self._places.items() if at_place(place, where))
        return min(found, default=None)

    def _walk(self) -> Iterator[tuple[Place, int]]:
        """Every limit with its place, outer ones first."""
        for place, schema, _ in places(self._root):
            limit = schema.get(KEYWORD)
            if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
                yield place, limit


class TokenLimitedMatcher(BudgetedMatcher):
    """A BudgetedMatcher that also closes strings which have spent their tokens.

    Args:
        inner: The matcher that decides what may be said.
        shortest: Finds ways to the end.
        limits: How many tokens which strings may take.
    """

    def __init__(
        self, inner: GuardedMatcher, shortest: Shortest, limits: TokenLimits | None = None
    ) -> None:
        super().__init__(inner, shortest)
        self._limits = limits
        self._seen = State()

    def fill_mask(self, out: Mask) -> None:
        """The mask; only what closes the string where its tokens are spent and it may close."""
        super().fill_mask(out)
        if self._is_due():
            closing = out & _closing_tokens(self.vocabulary)
            if closing.any():
                out[:] = closing

    def fork(self) -> Self:
        """An independent copy, budget and limits included."""
        copy = super().fork()
        copy._limits = self._limits
        return copy

    def _is_due(self) -> bool:
        """Whether the text stands in a string with one token left, or none."""
        text = self._inner.text
        known = self._seen if self._seen.length <= len(text) else State()
        self._seen, _ = scan(known, text)
        state = self._seen
        if state.place != "string" or state.is_key or self._limits is None:
            return False
        frame = state.frame
        last: tuple[str | int, ...] = ()
        if frame:
            last = (_unquoted(frame.keys[-1]) if frame.is_object else frame.num_closed,)
        limit = self._limits.at((*path(frame), *last))
        return limit is not None and self._inner.tokens_since(state.start) >= limit - 1


def _unquoted(key: bytes) -> str:
    import json

    return str(json.loads(key))


@lru_cache(maxsize=8)
def _closing_tokens(vocabulary: Vocabulary) -> Mask:
    """The tokens that hold a quote with no backslash before it, int32 [words]."""
    closes = [bool(_CLOSES.match(token)) for token in vocabulary.tokens]
    bits = np.zeros(vocabulary.num_words * 32, dtype=np.uint8)
    bits[: vocabulary.size] = closes
    return np.packbits(bits, bitorder="little").view(np.int32)
