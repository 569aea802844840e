"""The search for a value that goals hold for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tether.grammars.json_schema.witness.arrays import Arrays
from tether.grammars.json_schema.witness.effort import Effort
from tether.grammars.json_schema.witness.goals import KINDS, Fact, Goal, Kind, Tableau
from tether.grammars.json_schema.witness.numbers import number
from tether.grammars.json_schema.witness.objects import Objects
from tether.grammars.json_schema.witness.strings import text
from tether.types import Json

_Key = frozenset[tuple[int, bool]]
Found = tuple[Any] | None
"""A value, or None where there is none."""


class Search:
    """Values under one root; what was found for the same goals is known.

    Attributes:
        effort: What is left to be tried.
    """

    def __init__(self, root: Json, draft: int, effort: Effort) -> None:
        self.effort = effort
        self._tableau = Tableau(root, draft, effort)
        self._known: dict[_Key, Found] = {}
        self._open: dict[_Key, int] = {}
        self._shallowest = 1 << 30
        self._held: list[Sequence[Goal]] = []

    def value(self, goals: Sequence[Goal]) -> Found:
        """A value that all goals hold for.

        One that is made of another for the same goals is not looked for: that one would do.
        """
        key = frozenset((id(goal.schema), goal.holds) for goal in goals)
        if key in self._known:
            return self._known[key]
        if key in self._open:
            self._shallowest = min(self._shallowest, self._open[key])
            return None
        if not self.effort.spend():
            return None
        depth = self._open[key] = len(self._open)
        outer, self._shallowest = self._shallowest, 1 << 30
        found = self._first(goals)
        del self._open[key]
        if found is not None or self._shallowest >= depth:  # nothing above was in the way
            self._known[key] = found
            self._held.append(goals)  # their ids must stay theirs
            self._shallowest = outer
        self._shallowest = min(outer, self._shallowest)
        return found

    def _first(self, goals: Sequence[Goal]) -> Found:
        for kind in KINDS:
            for facts in self._tableau.branches(goals, kind):
                found = self._made(kind, facts)
                if found is not None:
                    return found
        return None

    def _made(self, kind: Kind, facts: list[Fact]) -> Found:
        """A value of one kind."""
        if kind in ("null", "boolean"):
            return _simple([None] if kind == "null" else [True, False], facts)
        consts = [fact.value for fact in facts if fact.keyword == "const" and fact.holds]
        if any(value != consts[0] for value in consts):
            return None
        made: Any = None
        match kind:
            case "number":
                made = number(facts, self.effort)
            case "string":
                made = text(facts, self.effort)
            case "array":
                made = Arrays(self, facts).first()
            case "object":
                made = Objects(self, facts).first()
        return None if made is None else (made,)

    def counts(self, facts: Sequence[Fact], of: str) -> tuple[int, int | None]:
        """The fewest and the most of something that facts allow."""
        low, high = 0, None
        for keyword, value, _, holds in facts:
            if keyword not in (f"min{of}", f"max{of}"):
                continue
            value = int(value)
            if (keyword[:3] == "min") == holds:
                low = max(low, value if holds else value + 1)
            else:
                most = value if holds else value - 1
                high = most if high is None else min(high, most)
        return low, high


def _simple(values: list[Any], facts: Sequence[Fact]) -> Found:
    for value in values:
        if all((fact.value is value) == fact.holds for fact in facts):
            return (value,)
    return None
