"""Short ways to the end of a JSON text: the matcher itself, led by a taste for closing.

Every way found has passed the mask and the oracle, so it is a proof that the text can be finished.
It is short, not surely the shortest.
"""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Sequence
from functools import cache, cached_property, lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from tether.errors import DeadEnd
from tether.grammars.constraint import allowed_ids, among
from tether.grammars.guarded import GuardedMatcher
from tether.grammars.json_schema.scanner import State, scan
from tether.grammars.json_schema.walk import subschemas
from tether.grammars.vocabulary import Vocabulary
from tether.types import Json

_TRIALS = 12
_LONGEST, _LONGER = 4, 100
"""A trial ends at `_LONGEST * (most + _LONGER)` tokens, most of them single bytes."""
_MANY = 4
"""Ways found before the shortest of them is taken, at the start and where none is short enough."""
_TRIES, _REFUSAL, _GUESSES = 2, 6, 8
"""Steps of all trials together, in longest trials; steps that a refusal counts for; bytes tried
before the mask is asked."""
_MOST_WORDS = 64
_PLAIN_VALUES = (b"0", b'""', b"[]", b"{}", b"null", b"true", b"1")
_RUN = re.compile(r"[A-Za-z0-9_ -]+")
_LONG_PIECE = 24
_MARKS_OF_ASCII = string.punctuation.replace('"', "").replace("\\", "").encode() + b" "
_MARKS = 0.3
_PLAIN_BYTES = 0.5
"""Chances, inside strings: of a mark before a letter, and of a byte before a piece."""


class Shortest:
    """Finds short ways to the end of texts under one schema.

    What is found from the start, or not found, is remembered for all rows.

    Args:
        schema: The user's schema: its required keys and its values are worth trying first.
        vocabulary: The tokens.
    """

    def __init__(self, schema: Json, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._schema = schema
        self._spell = cache(vocabulary.speller.spell)
        self._from_start: list[int] | None = None
        self._tried = -1

    @cached_property
    def _words(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        return _words(self._schema)

    def __call__(self, matcher: GuardedMatcher, most: int) -> list[int] | None:
        """Tokens of a way to the end, within `most` where that is found; None where none is."""
        if not matcher.count and (self._from_start is not None or most <= self._tried):
            return self._from_start
        best: list[int] | None = None
        found, enough = 0, 1 if matcher.count else _MANY
        longest = _LONGEST * (most + _LONGER)
        patience = _TRIES * longest
        for number in range(_TRIALS):
            way, spent = self._trial(matcher, longest, number)
            found += way is not None
            patience -= spent
            if way is not None and (best is None or len(way) < len(best)):
                best = way
            if best is not None and found >= (enough if len(best) <= most else _MANY):
                break
            if patience <= 0:
                break
        if not matcher.count:
            self._from_start, self._tried = best, most
        return best

    def _trial(
        self, matcher: GuardedMatcher, longest: int, number: int
    ) -> tuple[list[int] | None, int]:
        """A way to the end, or None, and the steps it took; a refusal counts for several."""
        rng = random.Random(number)
        fork, start, state = matcher.fork(), len(matcher.text), State()
        for step in range(longest):
            spent = step + _REFUSAL * (fork.num_refusals - matcher.num_refusals)
            try:
                fork.retreat()
                if fork.count < matcher.count or spent > longest:
                    return None, spent
                if fork.can_end:
                    return self._vocabulary.speller.spell(fork.text[start:]), spent
                state = _scanned(fork, state)
                if fork.is_end_refused:  # a number of its own: further digits seldom help
                    fork.give_up(state.start)
                else:
                    self._go_on(fork, state, rng, is_shuffled=number > 1)
            except DeadEnd:
                return None, spent
        return None, longest

    def _go_on(
        self, matcher: GuardedMatcher, state: State, rng: random.Random, *, is_shuffled: bool
    ) -> None:
        """Advance by forced tokens, else by the first word that goes, else by a byte.

        The end of a value is tried even where the judge will refuse it: that gives the value up.
        """
        words = self._tastes(state)
        if state.place == "string" and rng.random() < _PLAIN_BYTES:
            words = words[:1]
        if is_shuffled:
            rng.shuffle(words)
        begins = state.place in ("value", "key")
        for tokens in chain([matcher.forced()], map(self._spell, words)):
            goes = matcher.stands(tokens) if begins else _can_say(matcher, tokens)
            if tokens and goes:
                for token in tokens:
                    matcher.advance(token)
                return
        matcher.advance(self._byte(matcher, rng))

    def _tastes(self, state: State) -> list[bytes]:
        """What to try at a place, best first: ends before anything else."""
        frame, (keys, values, pieces) = state.frame, self._words
        end = [] if frame is None else [b"}" if frame.is_object else b"]"]
        if state.place == "string":
            return [b'"', *pieces]
        if state.place == "value":
            return [*end, *values]
        if state.place == "key" and frame:
            return [*end, *(key + b":" for key in keys if key not in frame.keys)]
        if (
            state.place == "after"
            and frame
            and frame.is_object
            and len(frame.keys) > frame.num_closed
        ):
            return [b":"]
        return [*end, b","] if end else []

    def _byte(self, matcher: GuardedMatcher, rng: random.Random) -> int:
        """An allowed token of one byte, mostly a letter or digit; else any allowed token.

        Guesses come first: a mask over a large vocabulary costs as much as a hundred of them.
        """
        letters, marks, others = _single_bytes(self._vocabulary)
        kinds = (marks, letters, others) if rng.random() < _MARKS else (letters, marks, others)
        for token in rng.choices(kinds[0], k=_GUESSES) if kinds[0].size else ():
            if matcher.prefix_length([int(token)]):
                return int(token)
        mask = np.empty(self._vocabulary.num_words, dtype=np.int32)
        matcher.fill_mask(mask)
        for ids in kinds:
            allowed = among(mask, ids)
            if allowed.size:
                return int(rng.choice(allowed))
        return int(allowed_ids(mask)[0])


def _can_say(matcher: GuardedMatcher, tokens: Sequence[int]) -> bool:
    return matcher.prefix_length(tokens) == len(tokens)


def _scanned(matcher: GuardedMatcher, state: State) -> State:
    """Where the text stands; the judge knows where it watches, else `state` is carried on."""
    text = matcher.text
    known = matcher.state
    if isinstance(known, State) and known.length == len(text):
        return known
    return scan(state if state.length <= len(text) else State(), text)[0]


@lru_cache(maxsize=8)
def _single_bytes(vocabulary: Vocabulary) -> tuple[npt.NDArray[np.int64], ...]:
    """Ids of one-byte tokens, int64 [n]: letters and digits, marks of ASCII, and all others."""
    single = {t: i for i, t in enumerate(vocabulary.tokens) if len(t) == 1}
    letters = [i for t, i in single.items() if t.isalnum()]
    marks = [i for t, i in single.items() if t in _MARKS_OF_ASCII]
    others = [i for i in single.values() if i not in {*letters, *marks}]
    return tuple(np.array(ids, dtype=np.int64) for ids in (letters, marks, others))


def _words(schema: Json) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Keys that a schema requires, values that it shows, and pieces of its strings, as JSON."""
    keys: dict[bytes, None] = {}
    values = dict.fromkeys(_PLAIN_VALUES)
    pieces: dict[bytes, None] = {}
    for _, part in subschemas(schema):
        required = part.get("required")
        keys.update(dict.fromkeys(map(_text, _listed(required))))
        shown = [*_listed(part.get("enum")), *_listed(part.get("examples"))]
        shown += [part[word] for word in ("const", "default") if word in part]
        values.update(dict.fromkeys(map(_text, shown)))
        patterns = [part.get("pattern"), *_named(part.get("patternProperties"))]
        runs = [run for text in patterns if isinstance(text, str) for run in _RUN.findall(text)]
        runs += [text for text in shown if isinstance(text, str) and len(text) < _LONG_PIECE]
        pieces.update(dict.fromkeys(_text(run)[1:-1] for run in runs if run))
    lists = list(keys), sorted(values, key=len), sorted(pieces, key=len, reverse=True)
    return tuple(words[:_MOST_WORDS] for words in lists)  # type: ignore[return-value]


def _text(value: Any) -> bytes:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _named(value: object) -> Sequence[str]:
    return list(value) if isinstance(value, dict) else ()


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
