"""Sets of characters, and how JSON spells one character of a set inside a string.

A set is a sorted tuple of inclusive ranges of code points. A spelling is a regex in the engine's
dialect: what must be escaped in JSON is escaped, everything else stands for itself, as Python's
`json.dumps(ensure_ascii=False)` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

Ranges = tuple[tuple[int, int], ...]

_TOP = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)
_SHORT = {'"': '"', "\\": "\\", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
_PLAIN = " _:;,@%!='"
_QUOTED = "/.+*?()[]{}|^$-#&~"
_ESCAPED = ((0, 0x1F), (ord('"'), ord('"')), (ord("\\"), ord("\\")))
_CONTROL = r"\\([bfnrt]|u00[01][0-9a-fA-F])"

DIGITS: Ranges = ((0x30, 0x39),)
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE: Ranges = (
    (0x09, 0x0D),
    (0x20, 0x20),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
    (0xFEFF, 0xFEFF),
)
"""What `\\s` means in ECMAScript."""


def normal(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same set, sorted, without overlaps."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def without(ranges: Ranges, gone: Ranges) -> Ranges:
    """What of `ranges` is not in `gone`; both normal."""
    return tuple(_without(ranges, gone))


def complement(ranges: Ranges) -> Ranges:
    """Every character but those of `ranges`."""
    return without(((0, _TOP),), ranges)


def _without(ranges: Ranges, gone: Ranges) -> Iterator[tuple[int, int]]:
    for low, high in ranges:
        for first, last in gone:
            if last < low or first > high:
                continue
            if first > low:
                yield low, first - 1
            low = last + 1
        if low <= high:
            yield low, high


def overlap(one: Ranges, other: Ranges) -> bool:
    """Whether two normal sets share a character."""
    return any(a <= d and c <= b for a, b in one for c, d in other)


ALL: Ranges = complement(())
DOT: Ranges = complement(((0x0A, 0x0A),))


@lru_cache(maxsize=1024)
def spelled(ranges: Ranges) -> str:
    """The regex of every JSON spelling of one character of `ranges`; "" for the empty set."""
    raw = without(without(ranges, _ESCAPED), (_SURROGATES,))
    parts = [_set(raw)] if raw else []
    special = [c for low, high in _ESCAPED for c in range(low, high + 1) if _holds(ranges, c)]
    if len(special) >= 32 and special[31] == 0x1F:
        parts.append(_CONTROL)
        special = special[32:]
    parts += map(_escape, special)
    return parts[0] if len(parts) == 1 else f"({'|'.join(parts)})" if parts else ""


def _holds(ranges: Ranges, char: int) -> bool:
    return any(low <= char <= high for low, high in ranges)


def _set(raw: Ranges) -> str:
    """The regex of one character that stands for itself."""
    if len(raw) == 1 and raw[0][0] == raw[0][1]:
        return _char(raw[0][0])
    return f"[{''.join(map(_range, raw))}]"


def _range(bounds: tuple[int, int]) -> str:
    low, high = bounds
    return _char(low) if low == high else f"{_char(low)}-{_char(high)}"


def _char(code: int) -> str:
    char = chr(code)
    if char.isascii() and (char.isalnum() or char in _PLAIN):
        return char
    return f"\\{char}" if char in _QUOTED else f"\\x{{{code:x}}}"


def _escape(code: int) -> str:
    """One control character, quote or backslash as JSON writes it."""
    short = _SHORT.get(chr(code))
    long = f"\\\\u{code:04x}".replace("a", "[aA]").replace("b", "[bB]").replace("c", "[cC]")
    long = long.replace("d", "[dD]").replace("e", "[eE]").replace("f", "[fF]")
    if short is None:
        return long
    if code >= 0x20:
        return f"\\\\{_char(ord(short))}"
    return f"\\\\({short}|{long[2:]})"
