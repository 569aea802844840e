"""A short string in which a pattern finds a match."""

from __future__ import annotations

from functools import lru_cache

from tether.grammars.json_schema.front.charset import Ranges
from tether.grammars.json_schema.front.pattern_reader import Chars, Choice, Node, Repeat
from tether.grammars.json_schema.front.patterns import pattern_language

_LIKED = "aA0 "
_LONGEST = 400


@lru_cache(maxsize=1024)
def sample(pattern: str) -> str | None:
    """The shortest string of the pattern's shape; None where it is too long or not regular.

    It is no sure match where the pattern looks around.
    """
    language = pattern_language(pattern, wide=True)
    if language is None or language.shortest > _LONGEST:
        return None
    return min(("".join(map(_said, branch)) for branch in language.branches), key=len)


def _said(node: Node) -> str:
    if isinstance(node, Chars):
        return _letter(node.ranges)
    if isinstance(node, Choice):
        return min(("".join(map(_said, branch)) for branch in node.branches), key=len)
    return _said(node.node) * node.low if isinstance(node, Repeat) else ""


def _letter(ranges: Ranges) -> str:
    """A character of a set, a plain one where there is one."""
    held = (c for c in _LIKED if any(low <= ord(c) <= high for low, high in ranges))
    return next(held, chr(ranges[0][0]) if ranges else "")
