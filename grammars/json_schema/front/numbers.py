"""Integer and number ranges and multiples -> terminals over their decimal spelling.

Judging also takes a fraction of zeros and, loosely, exponents; the oracle knows their values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import lcm

_FREE_DIGITS = 19
_FREE_FRACTION = 16
_MOST_DIGITS = 400
"""Digits of a bound; one with more is left to the oracle."""
_MOST_LISTED = 100
_MOST_PLACES = 30
_ANY = r"(0|[1-9][0-9]*)"
_FRACTION = r"(\.[0-9]+)?"
_ZEROS = r"(\.0+)?"
_EXPONENT = r"[eE][+-]?[0-9]+"


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers from `low` to `high`; None is open.

    Attributes:
        open_low: Whether `low` itself is out.
        open_high: Whether `high` itself is out.
        whole: Whether only integers count.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    open_low: bool = False
    open_high: bool = False
    whole: bool = False

    @property
    def free(self) -> bool:
        """Whether there are no bounds."""
        return self.low is None and self.high is None

    def clipped(self) -> Span:
        """The same, with bounds of too many digits left out."""
        low = None if self.low is not None and num_digits(self.low) > _MOST_DIGITS else self.low
        high = None if self.high is not None and num_digits(self.high) > _MOST_DIGITS else self.high
        return Span(low, high, self.open_low, self.open_high, self.whole)

    def mirrored(self) -> Span:
        """The numbers with the other sign."""
        low = None if self.high is None else -self.high
        high = None if self.low is None else -self.low
        return Span(low, high, self.open_high, self.open_low, self.whole)


def num_digits(value: Decimal) -> int:
    """The digits of a number's plain spelling."""
    whole, fraction = _split(abs(value)) if abs(value.adjusted()) < 9999 else (10**9999, "")
    return len(str(whole)) + len(fraction) if whole < 10**4000 else 9999


def span_terminal(span: Span, judging: bool) -> str:
    """The body of the terminal of a span; "" where it holds no number."""
    parts = [
        _magnitudes(span, True, judging),
        _negative(_magnitudes(span.mirrored(), judging, judging)),
    ]
    return " | ".join(part for part in parts if part)


def _negative(body: str) -> str:
    return f'"-" ({body})' if body else ""


def _magnitudes(span: Span, zero: bool, judging: bool) -> str:
    """The numbers of a span that are not negative, as the body of a terminal."""
    low, open_low = span.low, span.open_low
    if low is None or low < 0:
        low, open_low = Decimal(0), not zero
    if span.high is not None and (
        span.high < low or (span.high == low and (open_low or span.open_high))
    ):
        return ""
    body = (
        _integers(span, low, open_low, judging)
        if span.whole
        else _reals(span, low, open_low, judging)
    )
    if body and judging and span.high != 0:
        return rf"{body} | /{_ANY}{_FRACTION}{_EXPONENT}/"
    return body


def _integers(span: Span, low: Decimal, open_low: bool, judging: bool) -> str:
    first = _ceiling(low) + int(open_low and low == _ceiling(low))
    last = None
    if span.high is not None:
        last = _floor(span.high) - int(span.open_high and span.high == _floor(span.high))
    most = None if judging else max(_FREE_DIGITS, len(str(first)) + 1)
    body = _whole(first, last, most)
    zeros = _ZEROS if judging else ""
    return f"/({body}){zeros}/" if body else ""


def _reals(span: Span, low: Decimal, open_low: bool, judging: bool) -> str:
    parts = []
    if low or open_low:
        base, digits = _split(low)
        ends = "|".join(f"{base}{end}" for end in _at_least(digits, open_low))
        parts.append(f"/({_whole(base + 1, None, None)}){_FRACTION}|{ends}/")
    if span.high is not None:
        top, digits = _split(span.high)
        below = f"({_whole(0, top - 1, None)}){_FRACTION}|" if top else ""
        ends = "|".join(f"{top}{end}" for end in _at_most(digits, span.open_high))
        parts.append(f"/{(below + ends).rstrip('|')}/")
    if not judging or not parts:
        parts.append(f"/{_plain(low, span.high, judging)}/")
    return " & ".join(parts)


def _plain(low: Decimal, high: Decimal | None, judging: bool) -> str:
    """The spellings of moderate length, which still reach between the bounds."""
    if judging:
        return f"{_ANY}{_FRACTION}"
    bounds = [_split(low), _split(high if high is not None else low)]
    digits = max(_FREE_DIGITS, *(len(str(whole)) + 1 for whole, _ in bounds))
    places = max(_FREE_FRACTION, *(len(fraction) + 1 for _, fraction in bounds))
    return rf"(0|[1-9][0-9]{{0,{digits - 1}}})(\.[0-9]{{1,{places}}})?"


def _split(value: Decimal) -> tuple[int, str]:
    """Whole part, and fraction digits without trailing zeros, of a number that is not negative."""
    whole, _, fraction = format(value, "f").partition(".")
    return int(whole), fraction.rstrip("0")


def _at_least(digits: str, is_open: bool) -> Iterator[str]:
    """Fractions, point included, of at least `digits`."""
    if not digits and not is_open:
        yield _FRACTION
        return
    for i, digit in enumerate(digits):
        if digit < "9":
            yield rf"\.{digits[:i]}[{int(digit) + 1}-9][0-9]*"
    yield rf"\.{digits}[0-9]*[1-9][0-9]*" if is_open else rf"\.{digits}[0-9]*"


def _at_most(digits: str, is_open: bool) -> Iterator[str]:
    """Fractions, point included or missing, of at most `digits`."""
    if not digits:
        if not is_open:
            yield _ZEROS
        return
    yield ""
    for i, digit in enumerate(digits):
        if digit > "0":
            yield rf"\.{digits[:i]}[0-{int(digit) - 1}][0-9]*"
        if i:
            yield rf"\.{digits[:i]}"
    if not is_open:
        yield rf"\.{digits}0*"


def _whole(first: int, last: int | None, most: int | None) -> str:
    """Regex of the integers from `first` to `last`, neither negative; "" for none."""
    if last is None:
        width = len(str(first))
        longer = "" if most is None else str(most - 1)
        return "|".join([*_between(str(first), "9" * width), f"[1-9][0-9]{{{width},{longer}}}"])
    parts = []
    while first <= last:
        top = min(last, 10 ** len(str(first)) - 1)
        parts += _between(str(first), str(top))
        first = top + 1
    return "|".join(parts)


def _between(low: str, high: str) -> list[str]:
    """Regexes of the digit strings between two of the same length."""
    size = len(low)
    if low == "0" * size and high == "9" * size:
        return [f"[0-9]{{{size}}}" if size else ""]
    a, b = int(low[0]), int(high[0])
    if a == b:
        return [low[0] + rest for rest in _between(low[1:], high[1:])]
    parts, tail = [], []
    if low[1:].strip("0"):
        parts = [low[0] + rest for rest in _between(low[1:], "9" * (size - 1))]
        a += 1
    if high[1:].strip("9"):
        tail = [high[0] + rest for rest in _between("0" * (size - 1), high[1:])]
        b -= 1
    if a <= b:
        parts.append(f"[{a}-{b}]" + (f"[0-9]{{{size - 1}}}" if size > 1 else ""))
    return parts + tail


def common_multiple(steps: list[Decimal]) -> Decimal | None:
    """The smallest number that all steps divide; None where it is unwieldy."""
    if any(not -_MOST_PLACES < step.adjusted() < _MOST_PLACES for step in steps):
        return None
    scale = max(len(_split(step)[1]) for step in steps)
    whole = lcm(*(int(step.scaleb(scale)) for step in steps))
    small = scale < _MOST_PLACES and whole < 10**_MOST_PLACES
    return Decimal(whole).scaleb(-scale) if small and whole else None


def listed_multiples(span: Span, step: Decimal) -> list[Decimal] | None:
    """The multiples of a step in a span where they are few; None else."""
    if span.low is None or span.high is None or (span.high - span.low) / step > _MOST_LISTED:
        return None
    first, last = _ceiling(span.low / step), _floor(span.high / step)
    found = (step * i for i in range(first, last + 1))
    return [
        v
        for v in found
        if not ((span.open_low and v == span.low) or (span.open_high and v == span.high))
    ]


def multiples_regex(step: Decimal, judging: bool) -> str | None:
    """The plain spellings of the multiples of a step whose last digits decide; None for others.

    They decide where the step divides a power of ten.
    """
    scale = len(_split(step)[1])
    whole = int(step.scaleb(scale))
    width = next((w for w in range(4) if 10**w % whole == 0), None)
    if width is None or (scale and width > scale):
        return None
    ends = [str(end).zfill(width) for end in range(0, 10**width, whole)] if width else [""]
    if scale:
        places = _places(ends, width, scale)
        return rf"-?{_ANY}(\.(({places})0*|0+))?" if judging else rf"-?{_ANY}(\.({places}))?"
    short = "|".join(sorted({str(int(end or 0)) for end in ends}))
    body = rf"-?([1-9][0-9]*({'|'.join(ends)})|{short})" if width else f"-?{_ANY}"
    return body + (_ZEROS if judging else "")


def _places(ends: list[str], width: int, scale: int) -> str:
    """Fraction digits, trailing zeros left out or not, of the multiples below one."""
    free = scale - width
    found = [f"[0-9]{{{free}}}{end.rstrip('0')}" for end in ends]
    if free:
        found.append(f"[0-9]{{1,{free}}}")
    return "|".join(dict.fromkeys(part for part in found if part and part != "[0-9]{0}"))


def _ceiling(value: Decimal) -> int:
    return int(value.to_integral_value("ROUND_CEILING"))


def _floor(value: Decimal) -> int:
    return int(value.to_integral_value("ROUND_FLOOR"))
