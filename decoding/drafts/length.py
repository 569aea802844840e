"""How many tokens are worth drafting: what a turn costs against what it is expected to say.

Training-free: the cost of a turn is measured while decoding, and a draft has the length at which
expected tokens a second are the most.

Source of the question: SpecDec++, Huang et al. 2024 (arXiv 2405.19715), which trains a head to stop
where rejection is likely; here the stopping rule is the maximum of a measured ratio.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)
"""Sizes of a turn that are told apart; between them the cost is a straight line."""

_REMEMBERED = 7  # timings of a size; the second or third least is its cost: hiccups say nothing


class CostCurve:
    """Seconds of one turn by the number of tokens that it reads, learned from timings.

    A size that was never timed is taken for as cheap as the largest smaller one that was: it is
    tried once, and then known. More tokens never count as cheaper: where they were, the sizes in
    between cost their mean, so that one bad timing of a size does not make all larger ones dear.
    """

    def __init__(self) -> None:
        self._timings: dict[int, deque[float]] = {}
        self._typical: dict[int, float] = {}
        self._sizes: list[int] = []  # those that were timed, rising
        self._costs: list[float] = []

    def observe(self, tokens: int, seconds: float) -> None:
        """Learn from one turn that read so many tokens, all rows together."""
        size = nearest(tokens)
        timings = self._timings.setdefault(size, deque(maxlen=_REMEMBERED))
        timings.append(seconds)
        self._typical[size] = sorted(timings)[len(timings) // 4]
        self._sizes = sorted(self._typical)
        self._costs = _rising([(self._typical[s], len(self._timings[s])) for s in self._sizes])

    def __call__(self, tokens: int) -> float:
        """Seconds of a turn that reads so many tokens; 0 where nothing was timed."""
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


def most_worth(values: Sequence[float], cost: Callable[[int], float], *, rows: int = 1) -> int:
    """How many of these drafted tokens to verify, so that tokens a second are the most.

    Args:
        values: The chance of each to be accepted with all before it on its path, falling; those of
            several rows may stand in one list.
        cost: Seconds of a turn that drafts so many.
        rows: Rows of the turn; each says one token whatever becomes of the drafts.

    Returns:
        The number n with the largest (rows + values[0] + ... + values[n - 1]) / cost(n); the
        smallest of equals. All values up to n count, so a step in the cost (from matrix-vector to
        matrix-matrix, say) is climbed where what lies behind it is worth it.
    """
    gains = accumulate(values, initial=float(rows))
    best, best_rate = 0, 0.0
    for count, gain in enumerate(gains):
        seconds = cost(count)
        rate = gain / seconds if seconds > 0 else gain
        if rate > best_rate * (1 + 1e-9):
            best, best_rate = count, rate
    return best


def _rising(given: Sequence[tuple[float, int]]) -> list[float]:
    """The closest values that never fall, to given ones and their weights (isotonic regression)."""
    pools: list[tuple[float, int, int]] = []  # mean, weight, how many
    for mean, weight in given:
        count = 1
        while pools and pools[-1][0] > mean:
            before, heavy, more = pools.pop()
            mean = (before * heavy + mean * weight) / (heavy + weight)
            weight, count = weight + heavy, count + more
        pools.append((mean, weight, count))
    return [mean for mean, _, count in pools for _ in range(count)]


def nearest(size: int) -> int:
    """The largest of `SIZES` up to this one."""
    return SIZES[bisect_right(SIZES, size) - 1]
