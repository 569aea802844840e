"""A line through timings."""

from __future__ import annotations

from collections.abc import Sequence

_FADES = 0.95  # of the weight of older timings, with each new one: costs change
_HICCUP = 4.0  # times what was to be expected: more says nothing
_SUPPOSED = 0.25  # of a timing is what a supposed one counts

Sums = tuple[float, float, float, float, float]


class Line:
    """Seconds by a count: something at all, and something for each. Least squares, never falling.

    It is asked with some counts and seconds that are supposed, which hold where none was timed.
    """

    def __init__(self) -> None:
        self._sums: Sums = (0.0, 0.0, 0.0, 0.0, 0.0)  # see `_added`

    def observe(self, count: int, seconds: float, supposed: Sequence[tuple[int, float]]) -> None:
        """So many took so long."""
        start, each = self(supposed)
        expected = start + each * count
        self.fade(_FADES)
        self._sums = _added(self._sums, count, min(seconds, _HICCUP * expected or seconds), 1.0)

    def fade(self, share: float) -> None:
        """Leave what was timed so far a share of its weight."""
        weight, count, seconds, squares, products = (share * each for each in self._sums)
        self._sums = (weight, count, seconds, squares, products)

    def __call__(self, supposed: Sequence[tuple[int, float]]) -> tuple[float, float]:
        """Seconds at all, and for each."""
        sums = self._sums
        for number, above in supposed:
            sums = _added(sums, number, above, _SUPPOSED)
        weight, count, seconds, squares, products = sums
        spread = squares * weight - count * count
        each = max(0.0, (products * weight - count * seconds) / spread) if spread > 0 else 0.0
        return max(0.0, (seconds - each * count) / weight) if weight else 0.0, each


def _added(sums: Sums, count: int, seconds: float, share: float) -> Sums:
    """Sums of weights, counts, seconds, squares of counts and products, with one timing more."""
    weight, counts, total, squares, products = sums
    return (
        weight + share,
        counts + share * count,
        total + share * seconds,
        squares + share * count * count,
        products + share * count * seconds,
    )
