"""Regular expressions of JSON Schema (ECMAScript's, as jsonschema-rs reads them) -> a tree.

Only what is regular and means the same everywhere is read; everything else is `NotRegular`, and
the caller leaves it to the oracle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tether.grammars.json_schema.front.charset import (
    DIGITS,
    DOT,
    SPACE,
    WORD,
    Ranges,
    complement,
    normal,
)

_MOST_REPEATS = 5000
_DEEPEST = 50
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_CLASSES = {"d": DIGITS, "w": WORD, "s": SPACE}
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??")
_NAMED_GROUP = re.compile(r"\(\?P?<[A-Za-z_]\w*>")
_LOOK_AROUND = re.compile(r"\?<?[=!]")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}")
_BRACES = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class NotRegular(ValueError):
    """The pattern holds something that the mask cannot."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Anchor:
    """`^` (at the start) or `$` (at the end)."""

    at_start: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sequences."""

    branches: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A node `low` to `high` times; None for any number."""

    node: Node
    low: int
    high: int | None


Node = Chars | Anchor | Choice | Repeat

_NOTHING = Choice(((),))


def read_pattern(pattern: str, *, wide: bool = False) -> Choice:
    """The tree of a pattern.

    Args:
        pattern: The regular expression.
        wide: Leave out look-arounds and word boundaries: more is matched, never less.

    Raises:
        NotRegular: A back-reference or a rarity of one dialect; without `wide` also look-around
            and word boundaries.
    """
    folds = pattern.startswith("(?i)")
    reader = _Reader(pattern, 4 if folds else 0, folds, wide)
    tree = reader.choice(0)
    if reader.at < len(pattern):
        raise NotRegular(pattern)
    return tree


class _Reader:
    """Recursive descent over one pattern."""

    def __init__(self, text: str, at: int, folds: bool, wide: bool) -> None:
        self.text = text
        self.at = at
        self._folds = folds
        self._wide = wide

    def choice(self, depth: int) -> Choice:
        if depth > _DEEPEST:
            raise NotRegular(self.text)
        branches = [self._sequence(depth)]
        while self._skip("|"):
            branches.append(self._sequence(depth))
        return Choice(tuple(branches))

    def _sequence(self, depth: int) -> tuple[Node, ...]:
        nodes = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            nodes.append(self._repeated(self._atom(depth)))
        return tuple(nodes)

    def _repeated(self, node: Node) -> Node:
        found = _QUANTIFIER.match(self.text, self.at)
        if not found:
            return node
        self.at = found.end()
        if isinstance(node, Anchor) or self.text[self.at : self.at + 1] in ("*", "+", "?", "{"):
            raise NotRegular(self.text)
        low, high = _BRACES.get(found[0][0]) or _counts(found)
        if max(low, high or 0) > _MOST_REPEATS or (high is not None and high < low):
            raise NotRegular(self.text)
        return Repeat(node, low, high)

    def _atom(self, depth: int) -> Node:
        char = self._next()
        if char == "(":
            return self._group(depth)
        if char == "[":
            return Chars(self._class())
        if char in "^$":
            return Anchor(char == "^")
        if char == ".":
            return Chars(DOT)
        if char == "\\":
            if self._wide and self.text[self.at : self.at + 1] in ("b", "B"):
                self.at += 1
                return _NOTHING
            return Chars(self._escaped()[0])
        if char in "*+?{":
            raise NotRegular(self.text)
        return Chars(self._literal(ord(char)))

    def _group(self, depth: int) -> Node:
        named = _NAMED_GROUP.match(self.text, self.at - 1)
        around = _LOOK_AROUND.match(self.text, self.at) if self._wide else None
        if around:
            self.at = around.end()
        elif named:
            self.at = named.end()
        elif self._skip("?") and not self._skip(":"):
            raise NotRegular(self.text)
        inner = self.choice(depth + 1)
        if not self._skip(")"):
            raise NotRegular(self.text)
        return _NOTHING if around else inner

    def _class(self) -> Ranges:
        negated = self._skip("^")
        ranges: list[tuple[int, int]] = []
        if self.text[self.at : self.at + 1] == "]":
            raise NotRegular(self.text)
        while not self._skip("]"):
            ranges += self._class_item()
        found = self._folded(normal(ranges))
        return complement(found) if negated else found

    def _class_item(self) -> Ranges:
        low, single = self._class_char()
        if self.text[self.at : self.at + 1] != "-" or self.text[self.at + 1 : self.at + 2] == "]":
            return low
        self.at += 1
        high, also_single = self._class_char()
        if not (single and also_single) or high[0][0] < low[0][0]:
            raise NotRegular(self.text)
        return ((low[0][0], high[0][0]),)

    def _class_char(self) -> tuple[Ranges, bool]:
        """A character or a class such as that of digits, and whether it is a single character."""
        char = self._next()
        return self._escaped() if char == "\\" else (((ord(char), ord(char)),), True)

    def _escaped(self) -> tuple[Ranges, bool]:
        found = _HEX.match(self.text, self.at)
        if found:
            self.at = found.end()
            return self._single(int(found[1] or found[2] or found[3], 16)), True
        char = self._next()
        if char.lower() in _CLASSES:
            ranges = _CLASSES[char.lower()]
            return (ranges if char.islower() else complement(ranges)), False
        if char in _CONTROLS:
            return self._single(_CONTROLS[char]), True
        if char.isalnum() or not char.isascii() or char in "<>":
            raise NotRegular(self.text)
        return self._single(ord(char)), True

    def _single(self, code: int) -> Ranges:
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise NotRegular(self.text)
        return ((code, code),)

    def _literal(self, code: int) -> Ranges:
        return self._folded(((code, code),))

    def _folded(self, ranges: Ranges) -> Ranges:
        """The set with both cases where the pattern asks for it."""
        if not self._folds:
            return ranges
        if ranges[-1][1] > 0x7F:
            raise NotRegular(self.text)
        chars = {chr(c) for low, high in ranges for c in range(low, high + 1)}
        both = {ord(c) for char in chars for c in (char.lower(), char.upper())}
        odd = {0x17F for c in "sS" if c in chars} | {0x212A for c in "kK" if c in chars}
        return normal((c, c) for c in both | odd)

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise NotRegular(self.text)
        self.at += 1
        return self.text[self.at - 1]

    def _skip(self, char: str) -> bool:
        if self.text[self.at : self.at + 1] != char:
            return False
        self.at += 1
        return True


def _counts(found: re.Match[str]) -> tuple[int, int | None]:
    low = int(found[1]) if len(found[1]) < 7 else _MOST_REPEATS + 1
    if not found[2]:
        return low, low
    high = int(found[3]) if found[3] and len(found[3]) < 7 else None
    return (low, high) if high is not None or not found[3] else (low, _MOST_REPEATS + 1)
