"""Rules as a graph: which are undefined, unused, endless, cyclic or left-recursive.

Shared by the Lark and the GBNF lint. Knows neither syntax: only choices, sequences and references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """Characters; `empty` says whether they may be none."""

    empty: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A rule's name used at a character offset."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Optional:
    """A part that may be left out."""

    part: Node


Node = Text | Reference | Sequence | Choice | Optional


@dataclass(frozen=True, slots=True)
class Rule:
    """A definition and where its name stands."""

    name: str
    offset: int
    body: Node


@dataclass(slots=True)
class RuleGraph:
    """All rules of a grammar, from `start`."""

    start: str
    rules: Mapping[str, Rule]
    roots: frozenset[str] = field(default_factory=frozenset)
    """Further rules that count as used, for `%ignore`."""

    def references(self, node: Node) -> Iterator[Reference]:
        """Every reference in a node, in order."""
        if isinstance(node, Reference):
            yield node
        elif isinstance(node, Optional):
            yield from self.references(node.part)
        elif isinstance(node, Sequence | Choice):
            for part in node.parts:
                yield from self.references(part)

    def undefined(self) -> Iterator[Reference]:
        """References to rules that do not exist."""
        for rule in self.rules.values():
            yield from (r for r in self.references(rule.body) if r.name not in self.rules)

    def unused(self) -> Iterator[Rule]:
        """Rules that the start never reaches."""
        seen = _closure(self._edges(), {self.start} | self.roots)
        yield from (rule for rule in self.rules.values() if rule.name not in seen)

    def endless(self) -> Iterator[Rule]:
        """Rules that no finite text completes."""
        done = self._least(lambda node, done: _completes(node, done, self.rules))
        yield from (rule for rule in self.rules.values() if rule.name not in done)

    def cyclic(self) -> Iterator[Rule]:
        """Rules that can derive themselves and nothing else."""
        alone = {n: set(self._alone(r.body)) for n, r in self.rules.items()}
        yield from (r for n, r in self.rules.items() if n in _closure(alone, alone[n]))

    def left_recursive(self) -> Iterator[Rule]:
        """Rules that can begin with themselves."""
        first = {n: set(self._first(r.body)) for n, r in self.rules.items()}
        yield from (r for n, r in self.rules.items() if n in _closure(first, first[n]))

    def is_recursive(self, name: str) -> bool:
        """Whether a rule leads back to itself."""
        edges = self._edges()
        return name in _closure(edges, edges[name])

    def _edges(self) -> dict[str, set[str]]:
        return {n: {r.name for r in self.references(b.body)} for n, b in self.rules.items()}

    def _empties(self) -> set[str]:
        return self._least(_is_empty)

    def _least(self, holds: Callable[[Node, set[str]], bool]) -> set[str]:
        """The least set of rule names for which `holds(body, set)`."""
        found: set[str] = set()
        while True:
            more = {n for n, r in self.rules.items() if n not in found and holds(r.body, found)}
            if not more:
                return found
            found |= more

    def _first(self, node: Node) -> Iterator[str]:
        """Rules that may stand first in a node."""
        if isinstance(node, Reference):
            yield node.name
        elif isinstance(node, Optional):
            yield from self._first(node.part)
        elif isinstance(node, Choice):
            for part in node.parts:
                yield from self._first(part)
        elif isinstance(node, Sequence):
            empties = self._empties()
            for part in node.parts:
                yield from self._first(part)
                if not _is_empty(part, empties):
                    return

    def _alone(self, node: Node) -> Iterator[str]:
        """Rules that a node may consist of alone."""
        if isinstance(node, Reference):
            yield node.name
        elif isinstance(node, Optional):
            yield from self._alone(node.part)
        elif isinstance(node, Choice):
            for part in node.parts:
                yield from self._alone(part)
        elif isinstance(node, Sequence):
            empties = self._empties()
            for i, part in enumerate(node.parts):
                others = node.parts[:i] + node.parts[i + 1 :]
                if all(_is_empty(other, empties) for other in others):
                    yield from self._alone(part)


def _completes(node: Node, done: set[str], rules: Mapping[str, Rule]) -> bool:
    """Whether a node can be finished, given the rules that can; undefined names count as text."""
    if isinstance(node, Reference):
        return node.name in done or node.name not in rules
    if isinstance(node, Sequence):
        return all(_completes(part, done, rules) for part in node.parts)
    if isinstance(node, Choice):
        return any(_completes(part, done, rules) for part in node.parts)
    return True


def _is_empty(node: Node, empties: set[str]) -> bool:
    """Whether a node can match no characters, given the rules that can."""
    if isinstance(node, Text):
        return node.empty
    if isinstance(node, Reference):
        return node.name in empties
    if isinstance(node, Sequence):
        return all(_is_empty(part, empties) for part in node.parts)
    if isinstance(node, Choice):
        return any(_is_empty(part, empties) for part in node.parts)
    return True


def _closure(edges: Mapping[str, set[str]], start: set[str]) -> set[str]:
    """`start` and everything reachable from it; unknown names lead nowhere."""
    seen: set[str] = set()
    waiting = set(start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting |= edges.get(name, set())
    return seen
