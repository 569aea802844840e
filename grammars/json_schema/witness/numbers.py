"""A number under facts: steps, bounds, and what it must not be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, floor, gcd, lcm

from tether.grammars.json_schema.witness.effort import Effort
from tether.grammars.json_schema.witness.goals import Fact

_MOST = 20_000
"""Numbers that are tried one after the other."""
_PARTS = 12
"""Numbers between two bounds where there is no step."""


def number(facts: Sequence[Fact], effort: Effort) -> int | float | None:
    """A number that all facts hold for; None where there is none."""
    consts = [fact.value for fact in facts if fact.keyword == "const" and fact.holds]
    enough = _enough(facts)
    for tried, candidate in enumerate(map(_exact, consts) if consts else _candidates(facts)):
        if tried > enough:
            return None
        if tried > _MOST or not effort.spend():
            effort.doubt()
            return None
        if all(_meets(candidate, fact) == fact.holds for fact in facts):
            return int(candidate) if candidate.denominator == 1 else float(candidate)
    low, high = _bounds(facts)
    if not consts and _step(facts) is None and (low is None or high is None or low < high):
        effort.doubt()
    return None


def _exact(value: float) -> Fraction:
    return Fraction(str(value))


def _meets(number: Fraction, fact: Fact) -> bool:
    """Whether a keyword holds for a number."""
    word, value = fact.keyword, fact.value
    if word == "integer":
        return number.denominator == 1
    if isinstance(value, bool):  # draft 4: said beside the bound
        return True if word.startswith("exclusive") else value == number
    bound = _exact(value)
    match word:
        case "multipleOf":
            return (number / bound).denominator == 1
        case "minimum":
            is_shut = fact.part.get("exclusiveMinimum") is True
            return number > bound if is_shut else number >= bound
        case "maximum":
            is_shut = fact.part.get("exclusiveMaximum") is True
            return number < bound if is_shut else number <= bound
        case "exclusiveMinimum":
            return number > bound
        case "exclusiveMaximum":
            return number < bound
    return number == bound


def _step(facts: Sequence[Fact]) -> Fraction | None:
    """What every number must be a multiple of."""
    steps = [_exact(fact.value) for fact in facts if fact.keyword == "multipleOf" and fact.holds]
    steps += [Fraction(1) for fact in facts if fact.keyword == "integer" and fact.holds]
    if not steps:
        return None
    over, under = lcm(*(s.numerator for s in steps)), gcd(*(s.denominator for s in steps))
    return Fraction(over, under)


def _enough(facts: Sequence[Fact]) -> int:
    """After how many multiples in a row, none of which would do, no other does.

    Divisors come back with their common period; bounds and single values spoil one number each.
    """
    step = _step(facts)
    if step is None:
        return _MOST
    others = [_exact(fact.value) for fact in facts if fact.keyword == "multipleOf"]
    period = Fraction(
        lcm(step.numerator, *(n.numerator for n in others)),
        gcd(step.denominator, *(n.denominator for n in others)),
    )
    return int(period / step) + len(facts)


def _candidates(facts: Sequence[Fact]) -> Iterator[Fraction]:
    """Numbers worth trying; all there are, where they have a step."""
    low, high = _bounds(facts)
    step = _step(facts)
    if step is None:
        yield from _between(facts, low, high)
        return
    first = ceil(low / step) if low is not None else None
    last = floor(high / step) if high is not None else None
    if first is None:
        start = 0 if last is None else min(0, last)
        yield from (step * (start - i) for i in range(_MOST + 1))
        return
    count = _MOST + 1 if last is None else max(0, last - first + 1)
    start = 0 if first <= 0 and (last is None or last >= 0) else first
    yield from (step * i for i in range(start, first + count))
    yield from (step * i for i in range(first, start))


def _bounds(facts: Sequence[Fact]) -> tuple[Fraction | None, Fraction | None]:
    """The widest bounds that facts leave."""
    lows: list[Fraction] = []
    highs: list[Fraction] = []
    for word, value, _, holds in facts:
        if isinstance(value, bool) or word not in _SIDES:
            continue
        (lows if _SIDES[word] == holds else highs).append(_exact(value))
    return max(lows, default=None), min(highs, default=None)


_SIDES = {"minimum": True, "exclusiveMinimum": True, "maximum": False, "exclusiveMaximum": False}
"""Whether a bound is a lower one."""


def _between(
    facts: Sequence[Fact], low: Fraction | None, high: Fraction | None
) -> Iterator[Fraction]:
    """Numbers from one bound to the other, and near one of them; whole ones first."""
    if low is None and high is None:
        low, high = Fraction(0), Fraction(1000)
    low = low if low is not None else high - 1000 if high is not None else Fraction(0)
    high = high if high is not None else low + 1000
    wholes = range(ceil(low), min(floor(high), ceil(low) + len(facts) + _PARTS) + 1)
    yield from map(Fraction, wholes)
    width, unit = high - low, Fraction(1)
    while unit * _PARTS > width and unit > Fraction(1, 10**15):
        unit /= 10
    start = floor(low / unit)
    yield from (unit * (start + i) for i in range(len(facts) + 2 * _PARTS))
    yield from (low, high, low + Fraction(1, 2), low + Fraction(1, 3))
