"""The tree of a pattern -> a deterministic automaton over characters, by subsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tether.grammars.json_schema.front.charset import Ranges
from tether.grammars.json_schema.front.pattern_reader import Anchor, Chars, Choice, Node, NotRegular

DEAD, START = 0, 1
_MOST_STATES = 2000
_MOST_WORK = 2_000_000
"""Unions of state sets; some patterns have exponentially many."""

Branches = tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Automaton:
    """A table to walk through; `DEAD` is never left, `START` comes first.

    Attributes:
        bounds: int64 [classes]; the first character of each class of characters, rising.
        steps: int32 [states, classes].
        ends: bool [states]; whether a string may end there.
    """

    bounds: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int32]
    ends: npt.NDArray[np.bool_]


@lru_cache(maxsize=256)
def automaton(branches: Branches) -> Automaton | None:
    """The automaton of whole strings; None where it would be too large.

    Args:
        branches: Sequences without anchors, such as `Language.branches`.
    """
    loose = Loose()
    try:
        end = loose.either(0, branches)
        return _table(loose, end)
    except (NotRegular, RecursionError):
        return None


class Loose:
    """An automaton that may be in many states: each reads one set of characters, or moves freely.

    Attributes:
        free: For each state those that it leads to without reading.
        reads: The characters that a state reads, and the state after them.
    """

    def __init__(self) -> None:
        self.free: list[list[int]] = [[]]
        self.reads: dict[int, tuple[Ranges, int]] = {}

    def state(self) -> int:
        """A new state."""
        self.free.append([])
        return len(self.free) - 1

    def either(self, start: int, branches: Iterable[Sequence[Node]]) -> int:
        """The state after one of several sequences."""
        end = self.state()
        for branch in branches:
            self.free[self.sequence(start, branch)].append(end)
        return end

    def sequence(self, start: int, nodes: Iterable[Node]) -> int:
        """The state after some nodes."""
        at = self.state()
        self.free[start].append(at)
        for node in nodes:
            at = self.node(at, node)
        return at

    def node(self, start: int, node: Node) -> int:
        """The state after a node; `start` has no other ways yet."""
        if isinstance(node, Anchor):
            raise NotRegular
        if isinstance(node, Choice):
            return self.either(start, node.branches)
        if isinstance(node, Chars):
            self.reads[start] = node.ranges, self.state()
            return self.reads[start][1]
        at = start
        for _ in range(node.low):
            at = self.sequence(at, [node.node])
        if node.high is None:
            return self._ever(at, node.node)
        end = self.state()
        for _ in range(node.high - node.low):
            self.free[at].append(end)
            at = self.sequence(at, [node.node])
        self.free[at].append(end)
        return end

    def _ever(self, start: int, node: Node) -> int:
        loop, end = self.state(), self.state()
        self.free[start].append(loop)
        self.free[loop].append(end)
        self.free[self.sequence(loop, [node])].append(loop)
        return end

    def closure(self, state: int) -> int:
        """What a state leads to without reading, as bits."""
        found, waiting = 1 << state, [state]
        while waiting:
            for after in self.free[waiting.pop()]:
                if not found >> after & 1:
                    found |= 1 << after
                    waiting.append(after)
        return found


def _table(loose: Loose, end: int) -> Automaton:
    """The subset construction.

    Raises:
        NotRegular: There are too many sets.
    """
    spans = [span for ranges, _ in loose.reads.values() for span in ranges]
    bounds = np.unique([0, *(low for low, _ in spans), *(high + 1 for _, high in spans)])
    moves: list[list[tuple[int, int]]] = [[] for _ in bounds]
    for state, (ranges, target) in loose.reads.items():
        after = loose.closure(target)
        for low, high in ranges:
            first, last = np.searchsorted(bounds, [low, high], side="right") - 1
            for letter in range(first, last + 1):
                moves[letter].append((1 << state, after))
    numbers = {0: DEAD, loose.closure(0): START}
    sets, work = list(numbers), 0
    rows: list[list[int]] = []
    for subset in sets:  # grows on the way
        rows.append([])
        for ways in moves:
            work += len(ways)
            after = 0
            for bit, reached in ways:
                if subset & bit:
                    after |= reached
            if after not in numbers:
                numbers[after] = len(sets)
                sets.append(after)
            rows[-1].append(numbers[after])
        if len(sets) > _MOST_STATES or work > _MOST_WORK:
            raise NotRegular
    ends = [bool(subset >> end & 1) for subset in sets]
    return Automaton(bounds, np.array(rows, dtype=np.int32), np.array(ends))
