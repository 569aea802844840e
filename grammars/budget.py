"""The budget rule: a text that is told how many tokens it has always ends within them.

A way to the end that fits is always known, so the text can never run into a place from which it
could not be finished in time. Looking for one costs milliseconds, so it is done at half of the
slack that is left, then at half of that, and so on; where none is found, the last place that had
one is searched for and its successor is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from tether.errors import DeadEnd, LimitReached
from tether.grammars.constraint import Mask, Matcher, set_bit
from tether.grammars.guarded import GuardedMatcher

if TYPE_CHECKING:
    from tether.grammars.verbatim.spans import Quote
    from tether.graphs import Slot

Shortest = Callable[[GuardedMatcher, int], list[int] | None]
"""(matcher, most) -> tokens of a short way to the end: within `most` where that can be found, else
longer ones; None where no end is found at all."""

_MOST_UNSETTLED = 32
"""Tokens between two looks for a way out: what is streamed lags behind by so many at most."""

_MORE = 32
"""Tokens that a way to the end may be longer than twice the last one, before it is hard to find."""
_PATIENCE = 3
"""After so many returns to one place its way out is taken: what follows there leads nowhere."""
_NEAR = 8
"""The way out is taken where the slack is less than this part of it: looking for others at every
token would cost more than they are worth."""


class _Exit(NamedTuple):
    """A known way to the end: `tokens`, after the first `at` advances."""

    at: int
    tokens: tuple[int, ...]


class BudgetedMatcher(Matcher):
    """`inner`, kept within a budget once `limit` has set one.

    Args:
        inner: The matcher that decides what may be said.
        shortest: Finds ways to the end.
    """

    def __init__(self, inner: GuardedMatcher, shortest: Shortest) -> None:
        self.vocabulary = inner.vocabulary
        self._inner = inner
        self._shortest = shortest
        self._most: int | None = None
        self._exits: list[_Exit] = []
        self._closing = False
        self._check_at = 0
        self._back_at, self._num_back = -1, 0

    @property
    def num_refusals(self) -> int:
        """How often something was taken back."""
        return self._inner.num_refusals

    def fill_mask(self, out: Mask) -> None:
        """The inner mask; the next token of the way out where that is all there is time for."""
        if not self._closing or not self._way_out():
            self._inner.fill_mask(out)
            return
        out[:] = 0
        set_bit(out, self._way_out()[0])

    def advance(self, token: int) -> None:
        """Advance the inner matcher."""
        self._inner.advance(token)

    def rollback(self, num_tokens: int) -> None:
        """Take back advances. Ways out that began later are forgotten."""
        self._inner.rollback(num_tokens)
        self._forget_later()

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """What the inner matcher says, cut to the way out where that is all there is time for."""
        accepted = self._inner.prefix_length(tokens)
        rest = self._way_out()
        same = (i for i, (a, b) in enumerate(zip(tokens, rest, strict=False)) if a != b)
        return min(accepted, next(same, accepted)) if rest else accepted

    def forced(self) -> list[int]:
        """The inner matcher's forced tokens, or the whole way out."""
        return list(self._way_out()) or self._inner.forced()

    @property
    def can_end(self) -> bool:
        """Whether the text may stop here."""
        return self._inner.can_end

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow, or there is no time for more."""
        return self._inner.ended or (self._closing and not self._way_out() and self.can_end)

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
        """Tokens after the last place with a known way out, or what the judge may yet refuse."""
        since = self._inner.count - self._exits[-1].at if self._exits else 0
        return max(since, self._inner.num_unsettled)

    def fork(self) -> Self:
        """An independent copy, budget included."""
        copy = type(self)(self._inner.fork(), self._shortest)
        copy._most, copy._exits = self._most, list(self._exits)
        copy._closing, copy._check_at = self._closing, self._check_at
        copy._back_at, copy._num_back = self._back_at, self._num_back
        return copy

    def explain(self, token: int) -> str:
        """The inner matcher's word, or that there is no time left."""
        rest = self._way_out()
        late = " There is no time left for anything else." if rest and rest[0] != token else ""
        return self._inner.explain(token) + late

    def limit(self, num_tokens: int) -> None:
        """End within `num_tokens` more tokens, whatever is chosen.

        Raises:
            LimitReached: The shortest known end is further away; with the number needed.
        """
        tokens = self._shortest(self._inner, num_tokens)
        if tokens is None:
            return
        if len(tokens) > num_tokens:
            raise LimitReached(
                f"The shortest output has {len(tokens)} tokens; {num_tokens} are allowed.",
                hint=f"Allow at least {len(tokens)} tokens.",
            )
        self._most = self._inner.count + num_tokens
        self._know(tokens)

    def retreat(self) -> int:
        """Take back what is refused or could not be ended in time; how many tokens that is.

        Raises:
            DeadEnd: Nothing is left to try, and no way to the end is known.
        """
        before = self._inner.count
        try:
            self._inner.retreat()
            self._forget_later()
            if self._most is not None and not self._closing and self._inner.count >= self._check_at:
                self._keep_within(self._most)
        except DeadEnd:
            if not self._exits:
                raise
            self._close()
        return before - self._inner.count

    def _forget_later(self) -> None:
        """Drop the ways out that began further on than here."""
        while self._exits and self._exits[-1].at > self._inner.count:
            self._exits.pop()
            self._closing, self._check_at = False, 0

    def _keep_within(self, most: int) -> None:
        """Find a way out from here, or go back to a place that has one."""
        if self._exits[-1].at == self._inner.count:  # gone back to: its way out still stands
            self._know(self._exits.pop().tokens)
            return
        tokens = self._way_from(self._inner, most)
        if tokens is not None:
            self._know(tokens)
        else:
            self._go_back(most)

    def _way_from(self, matcher: GuardedMatcher, most: int) -> list[int] | None:
        """A way to the end that fits; looked for as long as the last one lets expect."""
        left = most - matcher.count
        tokens = self._shortest(matcher, min(left, 2 * len(self._exits[-1].tokens) + _MORE))
        return tokens if tokens is not None and len(tokens) <= left else None

    def _go_back(self, most: int) -> None:
        """To a place with a way out, from whose successor none is found; that one is refused."""
        place = self._last_good(most)
        self._inner.rollback(self._inner.count - place - 1)
        too_far = self._inner.text
        self._inner.rollback(1)
        way = self._exits.pop().tokens
        self._know(way)
        self._num_back = self._num_back + 1 if self._back_at == place else 1
        self._back_at = place
        leads_on = (self._inner.text + self.vocabulary.decode_bytes(way)).startswith(too_far)
        if leads_on or self._num_back >= _PATIENCE:
            self._closing = True
        else:
            self._inner.refuse(too_far)
            self._closing = self._closing or self._inner.is_refused

    def _last_good(self, most: int) -> int:
        """A place with a way out, whose successor has none that is found; notes ways on the go.

        Galloping, then bisection: not to find a way takes fifty times as long as to find one, and
        most texts go wrong soon after the last place that was good.
        """
        low, high, stride = self._exits[-1].at, self._inner.count, 1
        while high - low > 1:
            middle = min(low + stride, (low + high) // 2)
            fork = self._inner.fork()
            fork.rollback(self._inner.count - middle)
            tokens = self._way_from(fork, most)
            if tokens is not None:
                low, stride = middle, 2 * stride
                self._exits.append(_Exit(low, tuple(tokens)))
            else:
                high = middle
        return low

    def _close(self) -> None:
        """Take the last known way out."""
        self._inner.rollback(self._inner.count - self._exits[-1].at)
        self._closing = True

    def _know(self, tokens: Sequence[int]) -> None:
        """Note a way out from here, and when to look for the next one."""
        assert self._most is not None
        self._exits.append(_Exit(self._inner.count, tuple(tokens)))
        slack = self._most - self._inner.count - len(tokens)
        self._closing = slack <= len(tokens) // _NEAR
        wait = slack // 2 if self._inner.num_unsettled else min(slack // 2, _MOST_UNSETTLED)
        self._check_at = self._inner.count + max(1, wait)

    def _way_out(self) -> tuple[int, ...]:
        """What is left of the way out, where it is being taken."""
        if not self._closing:
            return ()
        at, tokens = self._exits[-1]
        return tokens[self._inner.count - at :]
