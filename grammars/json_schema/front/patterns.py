"""The tree of a pattern -> the regex of the JSON strings that it finds a match in.

Anchors may stand wherever a branch begins or ends, also inside groups there; an anchor anywhere
else is `NotRegular`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tether.grammars.json_schema.front.charset import ALL, Ranges, overlap, spelled
from tether.grammars.json_schema.front.pattern_reader import (
    Anchor,
    Chars,
    Choice,
    Node,
    NotRegular,
    Repeat,
    read_pattern,
)

_HEAVIEST = 6000
"""Characters of an expanded pattern: past that the engine's tables grow out of hand."""
_WIDEST = 200
"""Branches that come from multiplying out groups with anchors."""
_ANYTHING = Repeat(Chars(ALL), 0, None)


@dataclass(frozen=True, slots=True)
class Language:
    """The strings in which a pattern finds a match.

    Attributes:
        body: Regex of what stands between the quotes.
        shortest: The fewest characters of such a string.
        starts: The characters that every such string begins with one of; None if it may be any.
        nodes: What such a string is made of, where that is one sequence.
        branches: The sequences that it is one of.
    """

    body: str
    shortest: int
    starts: Ranges | None
    nodes: tuple[Node, ...]
    branches: tuple[tuple[Node, ...], ...] = ()

    @property
    def is_all(self) -> bool:
        """Whether these are all strings."""
        return self.nodes == (_ANYTHING,)

    @property
    def is_open(self) -> bool:
        """Whether anything may come before what the pattern asks for."""
        return all(branch[:1] == (_ANYTHING,) for branch in self.branches)

    def counted(self, low: int, high: int | None) -> str | None:
        """The body for strings of `low` to `high` characters, where they are all of one kind."""
        run = self.nodes[0] if len(self.nodes) == 1 else None
        if not isinstance(run, Repeat) or not isinstance(run.node, Chars):
            return None
        low = max(low, run.low)
        highs = [most for most in (high, run.high) if most is not None]
        if highs and min(highs) < low:
            return None
        return _regex(Repeat(run.node, low, min(highs, default=None)))


@lru_cache(maxsize=1024)
def pattern_language(pattern: str, *, wide: bool = False) -> Language | None:
    """The language of a pattern; None where it is not regular or too large.

    `wide` leaves out look-arounds: a larger language, good only for what a string has to match.
    """
    try:
        branches = list(_branches(read_pattern(pattern, wide=wide).branches))
        if sum(_weight(n) for b in branches for n in b) > _HEAVIEST:
            return None
        wholes = [_padded(branch) for branch in branches]
        texts = ["".join(map(_regex, whole)) for whole in wholes]
    except (NotRegular, RecursionError):
        return None
    body = texts[0] if len(texts) == 1 else f"({'|'.join(texts)})"
    shortest = min(sum(map(_shortest, branch)) for branch in branches)
    one = wholes[0] if len(wholes) == 1 else ()
    return Language(body, shortest, _starts(branches), one, tuple(wholes))


def _branches(branches: Sequence[tuple[Node, ...]]) -> Iterator[tuple[Node, ...]]:
    """The branches with groups at their edges multiplied out while those hold anchors."""
    waiting, made = list(reversed(branches)), 0
    while waiting:
        branch = waiting.pop()
        made += 1
        if made > _WIDEST:
            raise NotRegular
        place = next((i for i in _edges(branch) if _has_anchor(branch[i])), None)
        if place is None:
            yield branch
            continue
        group = branch[place]
        if not isinstance(group, Choice):
            raise NotRegular
        for inner in reversed(group.branches):
            waiting.append((*branch[:place], *inner, *branch[place + 1 :]))


def _edges(branch: tuple[Node, ...]) -> tuple[int, ...]:
    """The places of the first and last node that are no anchors themselves."""
    inner = [i for i, node in enumerate(branch) if not isinstance(node, Anchor)]
    return (inner[0], inner[-1]) if inner else ()


def _has_anchor(node: Node) -> bool:
    if isinstance(node, Choice):
        return any(map(_has_anchor, (n for branch in node.branches for n in branch)))
    return _has_anchor(node.node) if isinstance(node, Repeat) else isinstance(node, Anchor)


def _padded(branch: tuple[Node, ...]) -> tuple[Node, ...]:
    """One branch as the nodes of whole strings, with anything around what no anchor holds."""
    nodes, held_start, held_end = _unanchored(branch)
    nodes = tuple(_flat(nodes))
    nodes = nodes if held_start else (_ANYTHING, *_less_greedy(nodes))
    nodes = nodes if held_end else (*_less_greedy(nodes[::-1])[::-1], _ANYTHING)
    return (_ANYTHING,) if nodes == (_ANYTHING, _ANYTHING) else nodes


def _flat(nodes: Iterable[Node]) -> Iterator[Node]:
    """The same without groups around a single sequence."""
    for node in nodes:
        if isinstance(node, Choice) and len(node.branches) == 1:
            yield from _flat(node.branches[0])
        else:
            yield node


def _less_greedy(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The same beside anything: a first node that may repeat need not do so more than it must."""
    while nodes and isinstance(nodes[0], Repeat):
        first, nodes = nodes[0], nodes[1:]
        if first.low:
            return (Repeat(first.node, first.low, first.low), *nodes)
    return nodes


def _unanchored(branch: tuple[Node, ...]) -> tuple[tuple[Node, ...], bool, bool]:
    """The nodes between the anchors, and whether the branch is held at its start and its end."""
    first, last = 0, len(branch)
    while first < last and branch[first] == Anchor(at_start=True):
        first += 1
    while last > first and branch[last - 1] == Anchor(at_start=False):
        last -= 1
    nodes = branch[first:last]
    if any(map(_has_anchor, nodes)):
        raise NotRegular
    return nodes, first > 0, last < len(branch)


def _regex(node: Node) -> str:
    if isinstance(node, Chars):
        text = spelled(node.ranges)
        if not text:
            raise NotRegular
        return text
    if isinstance(node, Choice):
        return f"({'|'.join(''.join(map(_regex, b)) for b in node.branches)})"
    if isinstance(node, Anchor):
        raise NotRegular
    body = _regex(node.node)
    whole = body[0] in "[(" or len(body) == 1
    return f"{body if whole else f'({body})'}{_count(node.low, node.high)}"


def _count(low: int, high: int | None) -> str:
    if (low, high) in ((0, None), (1, None), (0, 1)):
        return {(0, None): "*", (1, None): "+", (0, 1): "?"}[low, high]
    return f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}"


def _shortest(node: Node) -> int:
    if isinstance(node, Choice):
        return min(sum(map(_shortest, branch)) for branch in node.branches)
    if isinstance(node, Repeat):
        return node.low * _shortest(node.node)
    return int(isinstance(node, Chars))


def _weight(node: Node) -> int:
    if isinstance(node, Choice):
        return sum(_weight(n) for branch in node.branches for n in branch)
    if isinstance(node, Repeat):
        return _weight(node.node) * max(node.low, node.high or 1, 1)
    return 1


def _starts(branches: list[tuple[Node, ...]]) -> Ranges | None:
    """The first characters, where every branch is held at its start and begins with a character."""
    found: list[tuple[int, int]] = []
    for branch in branches:
        nodes, held, _ = _unanchored(branch)
        first = nodes[0] if nodes and held else None
        if isinstance(first, Repeat) and first.low:
            first = first.node
        if not isinstance(first, Chars):
            return None
        found += first.ranges
    return tuple(sorted(found))


def disjoint(one: Language, other: Language) -> bool:
    """Whether the first characters show that no string is in both languages."""
    if one.starts is None or other.starts is None:
        return False
    return not overlap(one.starts, other.starts)
