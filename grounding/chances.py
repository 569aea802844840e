"""How likely each token of one row was, among what might be said; see `evidence.Source`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tether.grounding.evidence import Clues, Floats, Moment, Need

_LOWEST = -9999.0  # stands for minus infinity, which JSON has not


@dataclass(frozen=True, slots=True)
class Chance:
    """One token of an answer.

    Attributes:
        token: Its id.
        log_p: Its log-probability by the model, temperature 1, among the tokens that might follow
            here; 0 where it was the only one.
        best: The likeliest tokens with theirs, best first.
    """

    token: int
    log_p: float
    best: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    log_p: Floats  # [vocab], over what might be said
    best: tuple[tuple[int, float], ...]

    def of(self, token: int) -> Chance:
        return Chance(token, max(float(self.log_p[token]), _LOWEST), self.best)


class Chances:
    """Watches one row, and changes nothing.

    Args:
        num_best: How many of the likeliest tokens are kept of each choice.
    """

    heads: tuple[tuple[int, int], ...] = ()
    needs: frozenset[Need] = frozenset({"log_p", "allowed"})

    def __init__(self, num_best: int) -> None:
        self._num_best = num_best
        self._newest: tuple[int, _Choice] | None = None  # a place in the output, and its choice
        self._taken: dict[int, Chance] = {}

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        for moment in moments:
            place = len(moment.context) - moment.start
            self._settle(moment.context[moment.start :])
            self._taken = {known: c for known, c in self._taken.items() if known < place}
            self._newest = (place, self._choice(moment))
        return [None] * len(moments)

    def told(self, tokens: Sequence[int], num_output: int) -> list[Chance]:
        """The chance of each token of an answer.

        Args:
            tokens: The answer's.
            num_output: Tokens of the whole output, thinking included.
        """
        start = num_output - len(tokens)
        self._settle([-1] * start + list(tokens))
        alone = (Chance(token, 0.0, ((token, 0.0),) * (self._num_best > 0)) for token in tokens)
        return [self._taken.get(start + n, chance) for n, chance in enumerate(alone)]

    def _settle(self, output: Sequence[int]) -> None:
        """Note what became of the newest choice, where the output still holds it."""
        if self._newest is not None and 0 <= self._newest[0] < len(output):
            place, choice = self._newest
            if output[place] >= 0:
                self._taken[place] = choice.of(output[place])

    def _choice(self, moment: Moment) -> _Choice:
        assert moment.log_p is not None, "it was asked for"
        log_p = moment.log_p
        if moment.allowed is not None:
            log_p = np.where(moment.allowed, log_p, -np.inf)
        highest = log_p.max()
        log_p = log_p - (highest + np.log(np.exp(log_p - highest).sum()))
        return _Choice(log_p, tuple(_best(log_p, self._num_best)))


def _best(log_p: Floats, count: int) -> Iterator[tuple[int, float]]:
    """The likeliest tokens, best first, of equals the lower; only what might be said."""
    count = min(count, len(log_p))
    if count == 0:
        return
    least = np.partition(log_p, len(log_p) - count)[len(log_p) - count]
    found = np.flatnonzero((log_p >= least) & np.isfinite(log_p))
    for token in found[np.argsort(-log_p[found], kind="stable")][:count]:
        yield int(token), float(log_p[token])
