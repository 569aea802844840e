"""A matcher with a judge behind it: what the judge refuses is taken back.

The mask of an engine may hold more than the language (an over-approximation). Here every text is
also put before a judge as it grows; a refused one is remembered as a no-good, and `retreat` takes
it back, so that something else is said.

Knows masks, bytes and judges; knows no language and no budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from tether.errors import DeadEnd, InternalError
from tether.grammars.constraint import Mask, Matcher, clear_bit
from tether.grammars.nogoods import NoGoods

if TYPE_CHECKING:
    from tether.grammars.verbatim.spans import Quote

_PATIENCE = 3
"""After so many refusals of one value twice as many tokens are taken back at a time."""
_MOST_REFUSALS = 200
"""Refusals of one row before its text is given up."""


Bytes = bytes | bytearray


class Refusal(NamedTuple):
    """No legal text begins with text[:end]; the value to blame begins at `start`.

    `anew`: whether the value is better begun anew with something else than mended at its end.
    """

    start: int
    end: int
    anew: bool = False


class Judge(Protocol):
    """The last word about texts. Its states are values: keeping one is enough to go back."""

    watches: bool
    """Whether it may refuse a text before its end; else the inner matcher's mask is exact."""

    def start(self) -> Any:  # noqa: ANN401
        """The state before the first byte."""

    def advance(self, state: Any, text: Bytes) -> tuple[Any, Refusal | None]:  # noqa: ANN401
        """The state after `text`, which goes on from where `state` stood."""

    def accepts(self, text: bytes) -> bool:
        """Whether `text` is complete and good."""


class _Mark(NamedTuple):
    """What an advance led to: the text's length, the judge's state and its refusal."""

    length: int
    state: Any
    refusal: Refusal | None = None


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
        self._text = bytearray()
        self._marks = [_Mark(0, judge.start())]
        self._nogoods = NoGoods()
        self._strikes: dict[int, int] = {}
        self._verdict: tuple[int, bool] | None = None

    @property
    def text(self) -> bytes:
        """The bytes so far."""
        return bytes(self._text)

    @property
    def state(self) -> Any:  # noqa: ANN401
        """The judge's state here."""
        return self._marks[-1].state

    @property
    def count(self) -> int:
        """Tokens advanced so far."""
        return len(self._marks) - 1

    def fill_mask(self, out: Mask) -> None:
        """The inner mask without a refused end and without what would complete a no-good."""
        if self._marks[-1].refusal:
            raise DeadEnd("The exact judge of the constraint refuses the text so far.")
        self._inner.fill_mask(out)
        is_end_refused = self.is_end_refused
        if is_end_refused:
            clear_bit(out, self.vocabulary.eos_id)
        if self._nogoods:
            self._nogoods.clear(out, self.text, self.vocabulary.speller)
        if (is_end_refused or self._nogoods) and not out.any():
            raise DeadEnd("No token continues the text.")

    def advance(self, token: int) -> None:
        """Advance, and put the longer text before the judge."""
        if self._marks[-1].refusal or (token == self.vocabulary.eos_id and not self.can_end):
            raise InternalError(f"Token {token} was advanced, but the mask does not hold it.")
        self._inner.advance(token)
        if token != self.vocabulary.eos_id:
            self._text += self.vocabulary.tokens[token]
            self._verdict = None
        state, refusal = self.judge.advance(self._marks[-1].state, self._text)
        self._marks.append(_Mark(len(self._text), state, refusal))

    def rollback(self, num_tokens: int) -> None:
        """Take back advances; what was learnt stays."""
        if num_tokens > self.count:
            raise InternalError(f"Cannot take back {num_tokens} tokens.")
        self._inner.rollback(num_tokens)
        if num_tokens:
            del self._marks[-num_tokens:]
            del self._text[self._marks[-1].length :]
            self._verdict = None

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many tokens the masks would allow one by one; none follows a refused one."""
        if self._marks[-1].refusal:
            return 0
        accepted = self._inner.prefix_length(tokens)
        text, state = self.text, self.state
        for index, token in enumerate(tokens[:accepted]):
            if token == self.vocabulary.eos_id:
                return accepted if self.judge.accepts(text) else index
            text += self.vocabulary.tokens[token]
            if self._nogoods.refuse(text, since=len(self._text)):
                return index
            state, refusal = self.judge.advance(state, text)
            if refusal:
                return index + 1
        return accepted

    def forced(self) -> list[int]:
        """The inner matcher's forced tokens, up to a no-good or a refusal."""
        run = self._inner.forced()
        return run[: self.prefix_length(run)]

    @property
    def can_end(self) -> bool:
        """Whether the inner matcher may stop and the judge accepts the text."""
        if self._marks[-1].refusal or not self._inner.can_end:
            return False
        if self._verdict is None or self._verdict[0] != len(self._text):
            self._verdict = len(self._text), self.judge.accepts(self.text)
        return self._verdict[1]

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow."""
        return self._inner.ended and self.can_end

    def fork(self) -> Self:
        """An independent copy."""
        copy = type(self)(self._inner.fork(), self.judge)
        copy.num_refusals = self.num_refusals
        copy._text, copy._marks = bytearray(self._text), list(self._marks)
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
    def num_unsettled(self) -> int:
        """All tokens, where the judge may refuse what the inner matcher allows."""
        return self.count if self.judge.watches else 0

    def stands(self, tokens: Sequence[int]) -> bool:
        """Whether all of `tokens` could be advanced and none of them be refused."""
        if self._marks[-1].refusal or self._inner.prefix_length(tokens) < len(tokens):
            return False
        text = self.text + self.vocabulary.decode_bytes(tokens)
        if self._nogoods and self._nogoods.refuse(text, since=len(self._text)):
            return False
        return self.judge.advance(self.state, text)[1] is None

    def tokens_since(self, offset: int) -> int:
        """How many of the last tokens reach beyond the first `offset` bytes."""
        return sum(1 for _ in takewhile(lambda mark: mark.length > offset, reversed(self._marks)))

    @property
    def is_end_refused(self) -> bool:
        """Whether the inner matcher would let the text end and the judge does not."""
        return self._inner.can_end and not self.can_end

    def give_up(self, start: int) -> None:
        """Go back to where the value at `start` begins, to begin it with something else."""
        self.num_refusals += 1
        self._nogoods.add(self.text[: start + 1], is_guess=True)
        while self.count and len(self._text) > start:
            self.rollback(1)

    def refuse(self, prefix: bytes) -> None:
        """Say nothing that begins with `prefix`, where there is anything else to say."""
        self._nogoods.add(prefix, is_guess=True)

    @property
    def is_refused(self) -> bool:
        """Whether no token is allowed here."""
        if self._marks[-1].refusal or (self._inner.ended and not self.can_end):
            return True
        if self._inner.stuck:
            return True
        if not self._nogoods or not self._nogoods.completing(self.text):
            return False
        try:
            self.fill_mask(np.empty(self.vocabulary.num_words, dtype=np.int32))
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
        refusal = self._marks[-1].refusal
        if refusal is None:
            self.num_refusals += 1
            self._nogoods.add(self.text, is_guess=self._nogoods.has_guesses)
            self.rollback(1)
            return
        self._nogoods.add(self.text[: refusal.end])
        if refusal.anew:
            self.give_up(refusal.start)
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
