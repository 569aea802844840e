"""A matcher with a judge behind it: what the judge refuses is taken back.

The mask of an engine may hold more than the language (an over-approximation). Here every text is
also put before a judge as it grows; a refused one is remembered as a no-good, and `retreat` takes
it back, so that something else is said.

Knows masks, bytes and judges; knows no language and no budget.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from tether.errors import DeadEnd, InternalError
from tether.grammars.constraint import Mask, Matcher, clear_bit
from tether.grammars.nogoods import NoGoods
from tether.grammars.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tether.grammars.verbatim.spans import Quote
    from tether.graphs import Slot

_PATIENCE = 3
"""After so many refusals of one value twice as many tokens are taken back at a time."""
_MOST_REFUSALS = 200
"""Refusals of one row before its text is given up."""


Bytes = bytes | bytearray


class Refusal(NamedTuple):
    """No legal text begins with text[:end]; the value to blame begins at `start`.

    `anew`: whether the value, which ended before the last byte, is better begun anew with
    something else than mended at its end.
    """

    start: int
    end: int
    anew: bool = False


class Judge(Protocol):
    """The last word about texts. Its states are values: keeping one is enough to go back."""

    stops: bytes
    """Nothing closes that it judges before one of these bytes is said; it is asked only then.

    With none it never refuses a text before its end.
    """

    def start(self) -> Any:  # noqa: ANN401
        """The state before the first byte."""

    def advance(self, state: Any, text: Bytes) -> tuple[Any, Refusal | None]:  # noqa: ANN401
        """The state after `text`, which goes on from where `state` stood."""

    def accepts(self, text: bytes) -> bool:
        """Whether `text` is complete and good; asked several times in a row about the same."""


class GuardedMatcher(Matcher):
    """`inner`, with everything that `judge` refuses taken back.

    A refused state allows no token until `retreat` has left it.

    Args:
        inner: A matcher whose language holds the judge's.
        judge: The last word about texts.
    """

    def __init__(self, inner: Matcher, judge: Judge) -> None:
        self.vocabulary = inner.vocabulary
        self.judge = judge
        self.num_refusals = 0
        self._inner = inner
        self._end = inner.vocabulary.eos_id
        self._end_word, self._end_bit = self._end >> 5, 1 << (self._end & 31)
        self._path: list[int] = []
        self._text, self._num_read = bytearray(), 0
        self._states = [(0, judge.start())]
        self._heed()
        self._refusal: Refusal | None = None
        self._nogoods = NoGoods()
        self._strikes: dict[int, int] = {}

    @property
    def text(self) -> bytes:
        """The bytes so far."""
        return bytes(self._read())

    @property
    def state(self) -> Any:  # noqa: ANN401
        """The judge's state here."""
        return self._states[-1][1]

    @property
    def count(self) -> int:
        """Tokens advanced so far."""
        return len(self._path)

    def fill_mask(self, out: Mask) -> None:
        """The inner mask without a refused end and without what would complete a no-good."""
        if self._refusal:
            raise DeadEnd("The exact judge of the constraint refuses the text so far.")
        self._inner.fill_mask(out)
        if self._nogoods.prefixes or out.item(self._end_word) & self._end_bit:
            self._clear_refused(out)

    def _clear_refused(self, out: Mask) -> None:
        """Leave out of a mask what it may not hold: most often there is nothing to ask about."""
        is_end_refused = self.is_end_refused
        if is_end_refused:
            clear_bit(out, self.vocabulary.eos_id)
        if self._nogoods:
            self._nogoods.clear(out, self.text, self.vocabulary.speller)
        if (is_end_refused or self._nogoods) and not out.any():
            raise DeadEnd("No token continues the text.")

    def advance(self, token: int) -> None:
        """Advance, and put the longer text before the judge where that may tell it something."""
        if self._refusal or (token == self._end and not self.can_end):
            raise InternalError(f"Token {token} was advanced, but the mask does not hold it.")
        self._inner.advance(token)
        self._path.append(token)
        if self._stops is not self.judge.stops:
            self._heed()
        if self._heeded[token]:
            before = self._states[-1][1]
            state, self._refusal = self.judge.advance(before, self._read())
            if state is not before:
                self._states.append((len(self._path), state))

    def rollback(self, num_tokens: int) -> None:
        """Take back advances; what was learnt stays."""
        if num_tokens > self.count:
            raise InternalError(f"Cannot take back {num_tokens} tokens.")
        self._inner.rollback(num_tokens)
        if not num_tokens:
            return
        kept = self.count - num_tokens
        if self._num_read > kept:
            gone = self.vocabulary.decode_bytes(self._path[kept : self._num_read])
            del self._text[len(self._text) - len(gone) :]
            self._num_read = kept
        del self._path[kept:]
        while self._states[-1][0] > kept:
            self._states.pop()
        self._refusal = None

    def _read(self) -> bytearray:
        """The text so far. Most steps need it no more than they need the judge."""
        for token in self._path[self._num_read :]:
            if token != self._end:
                self._text += self.vocabulary.tokens[token]
        self._num_read = len(self._path)
        return self._text

    def _heed(self) -> None:
        """Note which tokens the judge has to hear of: it may come to watch more than before."""
        self._stops = self.judge.stops
        self._heeded = _holding(self.vocabulary, self._stops)

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many tokens the masks would allow one by one; none follows a refused one."""
        if self._refusal:
            return 0
        accepted = self._inner.prefix_length(tokens)
        if self._is_unheeded(tokens[:accepted]):
            return accepted
        text, state = bytearray(self._read()), self.state
        since = len(text)
        for index, token in enumerate(tokens[:accepted]):
            if token == self._end:
                return accepted if self.judge.accepts(bytes(text)) else index
            text += self.vocabulary.tokens[token]
            if self._nogoods.prefixes and self._nogoods.refuse(text, since=since):
                return index
            if self._heeded[token]:
                state, refusal = self.judge.advance(state, text)
                if refusal:
                    return index + 1
        return accepted

    def _is_unheeded(self, tokens: Sequence[int]) -> bool:
        """Whether nothing but the inner matcher has a say about `tokens`: mostly so."""
        if self._stops is not self.judge.stops:
            self._heed()
        is_heard = self._nogoods.prefixes or self._end in tokens
        return not is_heard and not any(map(self._heeded.__getitem__, tokens))

    def forced(self) -> list[int]:
        """The inner matcher's forced tokens, up to a no-good or a refusal."""
        run = self._inner.forced()
        return run[: self.prefix_length(run)] if run else run

    @property
    def can_end(self) -> bool:
        """Whether the inner matcher may stop and the judge accepts the text."""
        if self._refusal or not self._inner.can_end:
            return False
        return self.judge.accepts(self.text)

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow."""
        return self._inner.ended and self.can_end

    def fork(self) -> Self:
        """An independent copy."""
        copy = type(self)(self._inner.fork(), self.judge)
        copy.num_refusals = self.num_refusals
        copy._text, copy._num_read = bytearray(self._text), self._num_read
        copy._path, copy._states = list(self._path), list(self._states)
        copy._refusal = self._refusal
        copy._nogoods, copy._strikes = self._nogoods.copy(), dict(self._strikes)
        return copy

    def explain(self, token: int) -> str:
        """The inner matcher's word, or that the judge refused what the token would complete."""
        allowed = self._inner.prefix_length([token]) and not self.prefix_length([token])
        why = " The exact judge refused what it would complete." if allowed else ""
        return self._inner.explain(token) + why

    def retreat(self) -> int:
        """Leave a refused state for the last one where something else can be said.

        Returns:
            How many tokens were taken back.

        Raises:
            DeadEnd: Nothing is left to try.
        """
        before = self.count
        while self.is_refused:
            self._step_back()
        return before - self.count

    @property
    def quote(self) -> Quote | None:
        """The inner matcher's."""
        return self._inner.quote

    @property
    def slots(self) -> Sequence[Slot]:
        """The inner matcher's."""
        return self._inner.slots

    @property
    def num_unsettled(self) -> int:
        """All tokens, where the judge may refuse what the inner matcher allows."""
        return self.count if self.judge.stops else 0

    def stands(self, tokens: Sequence[int]) -> bool:
        """Whether all of `tokens` could be advanced and none of them be refused."""
        if self._refusal or self._inner.prefix_length(tokens) < len(tokens):
            return False
        if self._is_unheeded(tokens):
            return True
        text = self._read() + self.vocabulary.decode_bytes(tokens)
        if self._nogoods.prefixes and self._nogoods.refuse(text, since=len(self._text)):
            return False
        return self.judge.advance(self.state, text)[1] is None

    def tokens_since(self, offset: int) -> int:
        """How many of the last tokens reach beyond the first `offset` bytes."""
        left = len(self.text) - offset
        for number, token in enumerate(reversed(self._path)):
            if left <= 0:
                return number
            left -= len(self.vocabulary.decode_bytes((token,)))
        return self.count

    @property
    def is_end_refused(self) -> bool:
        """Whether the inner matcher would let the text end and the judge does not."""
        return self._inner.can_end and not self.can_end

    def give_up(self, start: int, end: int) -> None:
        """Go back to where the value at `start` begins, to begin otherwise than up to `end`."""
        self.num_refusals += 1
        self._nogoods.add(self.text[:end], is_guess=True)
        self.rollback(self.tokens_since(start))

    def refuse(self, prefix: bytes) -> None:
        """Say nothing that begins with `prefix`, where there is anything else to say."""
        self._nogoods.add(prefix, is_guess=True)

    @property
    def is_refused(self) -> bool:
        """Whether no token is allowed here."""
        if self._refusal or (self._inner.ended and not self.can_end):
            return True
        if self._inner.stuck:
            return True
        if not self._nogoods or not self._nogoods.completing(self.text):
            return False
        try:
            self.mask()
        except DeadEnd:
            return True
        return False

    def _step_back(self) -> None:
        """Note why this text is refused, and go back by a token or, at length, by many."""
        if not self.count and self._nogoods.forget_guesses():
            self._strikes.clear()
            self.num_refusals += 1
            return
        if not self.count or self.num_refusals > _MOST_REFUSALS:
            raise DeadEnd(
                "No text that the constraint allows was found.",
                hint="Its parts may contradict each other: loosen or drop some, "
                "beginning with those that `tether check` says the mask cannot hold.",
            )
        refusal = self._refusal
        if refusal is None:
            self.num_refusals += 1
            self._nogoods.add(self.text, is_guess=self._nogoods.has_guesses)
            self.rollback(1)
            return
        self._nogoods.add(self.text[: refusal.end])
        if refusal.anew:
            self.give_up(refusal.start, refusal.end - 1)  # the last byte is behind the value
        else:
            self._give_up_more(refusal.start)

    def _give_up_more(self, start: int) -> None:
        """Go back by a token, or, the more often the value was refused, by many."""
        self.num_refusals += 1
        strikes = self._strikes[start] = self._strikes.get(start, 0) + 1
        distance = min(self.count, 2 ** ((strikes - 1) // _PATIENCE))
        self.rollback(distance - 1)
        if distance > 1:  # no proof, but what began here led to nothing often enough
            self._nogoods.add(self.text, is_guess=True)
        self.rollback(1)


@lru_cache(maxsize=32)
def _holding(vocabulary: Vocabulary, stops: bytes) -> bytes:
    """For each token whether it holds one of some bytes, uint8 [vocab]."""
    if not stops:
        return bytes(vocabulary.size)
    held = re.compile(b"[" + re.escape(stops) + b"]")
    return bytes(held.search(token) is not None for token in vocabulary.tokens)
