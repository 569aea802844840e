"""Numbers that tell something under a schema: multiples that its steps share, near its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from math import ceil, gcd, lcm
from typing import Any

from tether.grammars.json_schema.walk import subschemas
from tether.types import Json

_MOST_STEPS = 10
_MOST = 128
"""Different `multipleOf` of a schema that are combined, in pairs."""
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_LARGEST = 10**15
"""Numbers above are not offered: floats hold them no longer."""


def telling_numbers(schema: Json) -> list[int | float]:
    """The least common multiples of the schema's steps, alone and in pairs, from its bounds on."""
    parts = [part for _, part in subschemas(schema)]
    steps = _different(parts, ("multipleOf",))[:_MOST_STEPS]
    bounds = _different(parts, _BOUNDS)[:_MOST_STEPS]
    periods = dict.fromkeys([*steps, *(_common(*pair) for pair in combinations(steps, 2))])
    found = dict.fromkeys(_multiples(list(periods), [Fraction(0), *bounds]))
    found.update(dict.fromkeys(bound + near for bound in bounds for near in (0, 1, -1)))
    return [_plain(number) for number in found if abs(number) < _LARGEST][:_MOST]


def _multiples(periods: list[Fraction], bounds: list[Fraction]) -> Iterator[Fraction]:
    """The first multiples of each period from each bound on."""
    for bound in bounds:
        for period in periods:
            first = ceil(bound / period)
            yield from (period * first, period * (first + 1))


def _different(parts: list[dict[str, Any]], keywords: tuple[str, ...]) -> list[Fraction]:
    values = (part.get(keyword) for keyword in keywords for part in parts)
    numbers = (v for v in values if isinstance(v, int | float) and not isinstance(v, bool))
    found = dict.fromkeys(Fraction(str(number)) for number in numbers)
    return [n for n in found if n > 0 or keywords is _BOUNDS]


def _common(one: Fraction, other: Fraction) -> Fraction:
    """The least number that is a multiple of both."""
    return Fraction(lcm(one.numerator, other.numerator), gcd(one.denominator, other.denominator))


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)
