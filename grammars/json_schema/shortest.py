"""Short ways to the end of a JSON text: the matcher itself, led by a taste for closing.

Every way found has passed the mask and the oracle, so it is a proof that the text can be finished.
It is short, not surely the shortest.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from tether.errors import DeadEnd
from tether.grammars.guarded import GuardedMatcher
from tether.grammars.json_schema.scanner import State, scan
from tether.grammars.json_schema.walk import subschemas
from tether.grammars.vocabulary import Vocabulary
from tether.types import Json

_TRIALS = 12
_ENOUGH = 2
"""Ways found before the shortest of them is taken; twice as many where none is short enough."""
_MOST_STEPS = 3_000
_MOST_WORDS = 64
_PLAIN_VALUES = (b"0", b'""', b"[]", b"{}", b"null", b"true", b"1")
_READABLE = bytes(range(0x30, 0x3A)) + bytes(range(0x61, 0x7B)) + bytes(range(0x41, 0x5B))


class Shortest:
    """Finds short ways to the end of texts under one schema.

    Args:
        schema: The user's schema: its required keys and its values are worth trying first.
        vocabulary: The tokens.
    """

    def __init__(self, schema: Json, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._keys, self._values = _words(schema)
        self._spell = cache(vocabulary.speller.spell)
        self._from_start: list[int] | None = None

    def __call__(self, matcher: GuardedMatcher, most: int) -> list[int] | None:
        """Tokens of a way to the end, within `most` where that is found; None where none is."""
        if not matcher.count and self._from_start is not None:
            return self._from_start
        best: list[int] | None = None
        found = 0
        for number in range(_TRIALS):
            way = self._trial(matcher, random.Random(number), number)
            found += way is not None
            if way is not None and (best is None or len(way) < len(best)):
                best = way
            if best is not None and found >= (_ENOUGH if len(best) <= most else 2 * _ENOUGH):
                break
        if not matcher.count:
            self._from_start = best
        return best

    def _trial(self, matcher: GuardedMatcher, rng: random.Random, number: int) -> list[int] | None:
        fork, start, state = matcher.fork(), len(matcher.text), State()
        try:
            for _ in range(_MOST_STEPS):
                fork.retreat()
                if fork.can_end:
                    return self._vocabulary.speller.spell(fork.text[start:])
                state = _scanned(fork, state)
                words = self._tastes(state)
                if number > 1:
                    rng.shuffle(words)
                self._go_on(fork, words, rng)
        except DeadEnd:
            pass
        return None

    def _go_on(self, matcher: GuardedMatcher, words: list[bytes], rng: random.Random) -> None:
        """Advance by forced tokens, else by the first word that is allowed, else by a byte."""
        for tokens in chain([matcher.forced()], map(self._spell, words)):
            if tokens and matcher.prefix_length(tokens) == len(tokens):
                for token in tokens:
                    matcher.advance(token)
                return
        matcher.advance(self._byte(matcher, rng))

    def _tastes(self, state: State) -> list[bytes]:
        """What to try at a place, best first: ends before anything else."""
        frame = state.frame
        end = [] if frame is None else [b"}" if frame.is_object else b"]"]
        if state.place == "string":
            return [b'"']
        if state.place == "value":
            return [*end, *self._values]
        if state.place == "key" and frame:
            return [*end, *(key + b":" for key in self._keys if key not in frame.keys)]
        if state.place == "after" and frame and frame.is_object and len(frame.keys) > frame.count:
            return [b":"]
        return [*end, b","] if end else []

    def _byte(self, matcher: GuardedMatcher, rng: random.Random) -> int:
        """An allowed token of one byte, readable where there is one; else any allowed token."""
        mask = np.empty(self._vocabulary.num_words, dtype=np.int32)
        matcher.fill_mask(mask)
        readable, others = _single_bytes(self._vocabulary)
        for ids in (readable, others):
            allowed = ids[(mask[ids >> 5] >> (ids & 31)) & 1 == 1]
            if allowed.size:
                return int(rng.choice(allowed))
        return int(np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))[0])


def _scanned(matcher: GuardedMatcher, state: State) -> State:
    """Where the text stands; the judge knows where it watches, else `state` is carried on."""
    text = matcher.text
    known: State = matcher.state
    if known.length == len(text):
        return known
    return scan(state if state.length <= len(text) else State(), text)[0]


@lru_cache(maxsize=8)
def _single_bytes(vocabulary: Vocabulary) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids of one-byte tokens, int64 [n]: letters and digits, and all others."""
    single = {t: i for i, t in enumerate(vocabulary.tokens) if len(t) == 1}
    readable = [i for t, i in single.items() if t in _READABLE]
    others = [i for t, i in single.items() if t not in _READABLE]
    return np.array(readable, dtype=np.int64), np.array(others, dtype=np.int64)


def _words(schema: Json) -> tuple[list[bytes], list[bytes]]:
    """Keys that a schema requires, and values that it shows, as JSON; the shortest values first."""
    keys: dict[bytes, None] = {}
    values = dict.fromkeys(_PLAIN_VALUES)
    for _, part in subschemas(schema):
        required = part.get("required")
        keys.update(dict.fromkeys(map(_text, _listed(required))))
        shown = [*_listed(part.get("enum")), *_listed(part.get("examples"))]
        shown += [part[word] for word in ("const", "default") if word in part]
        values.update(dict.fromkeys(map(_text, shown)))
    return list(keys)[:_MOST_WORDS], sorted(values, key=len)[:_MOST_WORDS]


def _text(value: Any) -> bytes:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
