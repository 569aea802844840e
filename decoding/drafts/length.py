"""How many tokens are worth drafting: what a forward costs against what it is expected to say.

Training-free: the cost of a forward is measured while decoding, acceptance is estimated by
`chances.py`, and a draft has the length at which expected tokens a second are the most.

Source of the question: SpecDec++, Huang et al. 2024 (arXiv 2405.19715), which trains a head to stop
where rejection is likely; here the stopping rule is the maximum of a measured ratio.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from statistics import median

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)
"""Sizes of a forward that are told apart; between them the cost is a straight line."""

_REMEMBERED = 7  # timings of a size; their median is its cost, so one hiccup says nothing


class CostCurve:
    """Seconds of one forward by its number of tokens, learned from timings.

    A size that was never timed is taken for as cheap as the largest smaller one that was: it is
    tried once, and then known. More tokens never count as cheaper.
    """

    def __init__(self) -> None:
        self._timings: dict[int, deque[float]] = {}
        self._sizes: list[int] = []  # those that were timed, rising
        self._costs: list[float] = []

    def observe(self, tokens: int, seconds: float) -> None:
        """Learn from one forward over so many tokens, all rows together."""
        size = _nearest(tokens)
        timings = self._timings.setdefault(size, deque(maxlen=_REMEMBERED))
        timings.append(seconds)
        self._sizes = sorted(self._timings)
        self._costs = list(accumulate((median(self._timings[s]) for s in self._sizes), max))

    def __call__(self, tokens: int) -> float:
        """Seconds of a forward over so many tokens; 0 where nothing was timed."""
        if not self._sizes:
            return 0.0
        place = bisect_left(self._sizes, tokens)
        if place == len(self._sizes):
            return self._costs[-1]
        if place == 0 or self._sizes[place] == tokens:
            return self._costs[place]
        low, high = self._sizes[place - 1], self._sizes[place]
        share = (tokens - low) / (high - low)
        return self._costs[place - 1] * (1 - share) + self._costs[place] * share


def most_worth(
    values: Sequence[float], cost: CostCurve, *, tokens: int = 1, rows: int = 1, each: float = 0.0
) -> int:
    """How many of these drafted tokens to verify, so that tokens a second are the most.

    Args:
        values: The chance of each to be accepted with all before it on its path, falling; those of
            several rows may stand in one list.
        cost: Seconds of a forward.
        tokens: What the forward holds without drafts.
        rows: Rows of the forward; each says one token whatever becomes of the drafts.
        each: Seconds that drafting one token costs.

    Returns:
        The number n with the largest (rows + values[0] + ... + values[n - 1]) / (cost(tokens + n) +
        n * each); the smallest of equals. All values up to n count, so a step in the cost (from
        matrix-vector to matrix-matrix, say) is climbed where what lies behind it is worth it.
    """
    gains = accumulate(values, initial=float(rows))
    best, best_rate = 0, 0.0
    for count, gain in enumerate(gains):
        seconds = cost(tokens + count) + count * each
        rate = gain / seconds if seconds > 0 else gain
        if rate > best_rate * (1 + 1e-9):
            best, best_rate = count, rate
    return best


def goes_on(
    values: Sequence[float], chance: float, most: int, cost: CostCurve, *, each: float = 0.0
) -> bool:
    """Whether a chain that costs `each` seconds a token should get another one.

    Args:
        values: The chance of each token so far to be accepted with all before it.
        chance: Of the next token, where all before it are; those after it count as likely.
        most: The longest chain allowed.
        cost: Seconds of a forward.
        each: Seconds that drafting one token costs.
    """
    reached = values[-1] if values else 1.0
    ahead = [reached * chance**step for step in range(1, most - len(values) + 1)]
    return most_worth([*values, *ahead], cost, each=each) > len(values)


def _nearest(tokens: int) -> int:
    """The largest told size up to this one."""
    return SIZES[bisect_right(SIZES, tokens) - 1]
