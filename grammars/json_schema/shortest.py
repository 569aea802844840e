"""Short ways to the end of a JSON text: the matcher itself, led by a taste for closing.

Every way found has passed the mask and the oracle, so it is a proof that the text can be finished.
It is short, not surely the shortest.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import chain

import numpy as np
import numpy.typing as npt

from tether.errors import DeadEnd, Unsatisfiable
from tether.grammars.constraint import allowed_ids, among
from tether.grammars.guarded import GuardedMatcher
from tether.grammars.json_schema.oracle import Oracle
from tether.grammars.json_schema.scanner import Frame, State, scan
from tether.grammars.json_schema.tastes import Tastes
from tether.grammars.vocabulary import Vocabulary
from tether.types import Json

_TRIALS = 12
_LONGER, _AT_START, _LATER = 100, (4, 8), (1, 3)
"""Steps of the longest trial and of all together, in `most + _LONGER` tokens: most of them are
single bytes. What is found at the start serves all rows; later ways mostly are found at once."""
_MANY = 4
"""Ways found before the shortest of them is taken, at the start and where none is short enough."""
_REFUSAL, _GUESSES = 9, 8
"""Steps that a refusal counts for; bytes tried before the mask is asked."""
_IN_ORDER, _ANY_WORD = 1, 0.2
"""The last trial that tries words in their order; in others, the chance of any key or value."""
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
        oracle: The judge of values that are built where none is found by trying.
    """

    def __init__(self, schema: Json, vocabulary: Vocabulary, oracle: Oracle) -> None:
        self._schema, self._oracle = schema, oracle
        self._vocabulary = vocabulary
        self._tastes = Tastes(schema)
        self._spell = cache(vocabulary.speller.spell)
        self._from_start: list[int] | None = None
        self._tried = -1

    def __call__(self, matcher: GuardedMatcher, most: int) -> list[int] | None:
        """Tokens of a way to the end, within `most` where that is found; None where none is.

        Raises:
            DeadEnd: There is no way from the start, which is proven; with what contradicts.
        """
        if not matcher.count and (self._from_start is not None or most <= self._tried):
            return self._from_start
        best: list[int] | None = None
        found, enough = 0, 1 if matcher.count else _MANY
        longest, patience = _effort(most, is_start=not matcher.count)
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
            best = self._built(matcher) if best is None else best
            self._from_start, self._tried = best, most
        return best

    def _built(self, matcher: GuardedMatcher) -> list[int] | None:
        """The tokens of a value that is built from what the schema asks for."""
        from tether.grammars.json_schema.witness import witness
        from tether.grammars.json_schema.witness.writing import Writer

        try:
            found, fork = witness(self._schema, self._oracle), matcher.fork()
        except Unsatisfiable as error:
            raise DeadEnd(error.message, hint=error.hint) from error
        if found is None or not Writer(self._schema).write(fork, found[0]) or not fork.can_end:
            return None
        return self._vocabulary.speller.spell(fork.text)

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
                    fork.give_up(state.start, state.length)
                else:
                    self._go_on(fork, state, rng, number)
            except DeadEnd:
                return None, spent
        return None, longest

    def _go_on(
        self, matcher: GuardedMatcher, state: State, rng: random.Random, number: int
    ) -> None:
        """Advance by forced tokens, else by the first word that goes, else by a byte.

        The end of a value is tried even where the judge will refuse it: that gives the value up.
        """
        words = self._words(state, number, rng)
        if state.place == "string" and rng.random() < _PLAIN_BYTES:
            words = words[:1]
        begins = state.place in ("value", "key")
        for tokens in chain([matcher.forced()], map(self._spell, words)):
            goes = matcher.stands(tokens) if begins else _can_say(matcher, tokens)
            if tokens and goes:
                for token in tokens:
                    matcher.advance(token)
                return
        matcher.advance(self._byte(matcher, rng))

    def _words(self, state: State, number: int, rng: random.Random) -> list[bytes]:
        """What a trial tries at a place, best first; later trials mix up equally good ones."""
        frame = state.frame
        end = [] if frame is None else [b"}" if frame.is_object else b"]"]
        mixed = number > _IN_ORDER
        if state.place == "value":
            near, others = self._tastes.values(frame)
            if mixed and rng.random() < _ANY_WORD:
                near, others = near + others, []
            return [*_mixed(end + near, rng, mixed), *_mixed(others, rng, mixed)]
        if state.place == "key" and frame:
            keys = self._keys(frame, number, any_order=mixed and rng.random() < _ANY_WORD)
            return [*end, *(key + b":" for key in keys if key not in frame.keys)]
        if state.place == "string":
            return _mixed([b'"', *self._tastes.pieces], rng, mixed)
        has_key = frame and frame.is_object and len(frame.keys) > frame.num_closed
        return [b":"] if has_key else _mixed([*end, b","] if end else [], rng, mixed)

    def _keys(self, frame: Frame, number: int, *, any_order: bool) -> Iterable[bytes]:
        """Keys that some part requires; first those of one part, the same all over an object."""
        branches = self._tastes.branches(frame)
        lot = random.Random(f"{number} {frame.start}")
        keys = list(dict.fromkeys(chain.from_iterable(branches)))
        if any_order:
            return _mixed(keys, lot, True)
        first = lot.choice(branches) if number > _IN_ORDER else []
        return dict.fromkeys([*first, *keys])

    def _byte(self, matcher: GuardedMatcher, rng: random.Random) -> int:
        """An allowed token of one byte, mostly a letter or digit; else any allowed token.

        Guesses come first: a mask over a large vocabulary costs as much as a hundred of them.
        """
        letters, marks, others = _single_bytes(self._vocabulary)
        kinds = (marks, letters, others) if rng.random() < _MARKS else (letters, marks, others)
        for token in rng.choices(kinds[0], k=_GUESSES) if kinds[0].size else ():
            if matcher.prefix_length([int(token)]):
                return int(token)
        mask = matcher.mask()
        for ids in kinds:
            allowed = among(mask, ids)
            if allowed.size:
                return int(rng.choice(allowed))
        return int(allowed_ids(mask)[0])


def _effort(most: int, *, is_start: bool) -> tuple[int, int]:
    """Steps of the longest trial, and of all of them."""
    longest, all_trials = _AT_START if is_start else _LATER
    return longest * (most + _LONGER), all_trials * (most + _LONGER)


def _mixed(words: list[bytes], rng: random.Random, mixed: bool) -> list[bytes]:
    """The words, in any order where that is asked."""
    return rng.sample(words, len(words)) if mixed else words


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
