"""Conjunctions of triple patterns over a graph, at each level of guarantee. Immutable.

See the protocol `tether.grammars.sparql.lookup.Scope`, which these classes satisfy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tether.graphs import Candidates, Level, Name, Position, Ranks, Role, Term, Triple
from tether.grounding.graph.cycles import settle
from tether.grounding.graph.domains import Domain
from tether.grounding.graph.facts import Facts, Ids
from tether.grounding.graph.joins import OverBudget
from tether.grounding.graph.names import Names
from tether.grounding.graph.reducer import POSITIONS, Reducer
from tether.grounding.graph.shape import Pattern, component, variables_of

MOST_ROWS = 2_000_000
"""What the check of a cycle may cost, in rows; a thousand take 0.05 to 0.1 ms."""
_OPEN = "\n"
"""Begins the variables that stand where nothing was said yet."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What all scopes of a graph share.

    Attributes:
        facts: The facts.
        names: The names.
        reducer: Semi-joins.
        ask: Whether patterns have a solution, their variables within bounds, by the store itself;
            None: not known in time.
        most_rows: What the check of a cycle may cost before the store is asked.
    """

    facts: Facts
    names: Names
    reducer: Reducer
    ask: Callable[[Sequence[Pattern], Mapping[str, Ids]], bool | None]
    most_rows: int = MOST_ROWS

    def pattern(self, triple: Triple) -> Pattern:
        """A triple with ids for its names, and a variable of its own where nothing was said."""
        one, two, three = (
            self._term(term, position) for term, position in zip(triple, POSITIONS, strict=True)
        )
        return one, two, three

    def _term(self, term: Term | None, position: Position) -> str | int:
        if term is None:
            return _OPEN + position
        return self.names.term(term.rank) if isinstance(term, Name) else term.name


@dataclass(frozen=True, slots=True)
class VocabularyScope:
    """Names by their roles only."""

    ground: Ground
    variables: frozenset[str] = frozenset()
    reached: Level = "vocabulary"
    reason: str = ""

    def candidates(self, triple: Triple, position: Position) -> Candidates:
        """All names of the position's role, and all variables."""
        own = {t for t in self.ground.pattern(triple) if isinstance(t, str) and t[0] != _OPEN}
        return Candidates(
            self.ground.names.of_role(self._role(triple, position)), self.variables | own, True
        )

    def add(self, triple: Triple) -> VocabularyScope:
        """This scope and a triple; nothing is checked."""
        return replace(
            self, variables=self.variables.union(variables_of(self.ground.pattern(triple)))
        )

    def domain(self, variable: str) -> Ranks | None:
        """Every name."""
        if variable not in self.variables:
            return None
        return np.arange(len(self.ground.names), dtype=np.uint32)

    def restrict(self, variable: str, ranks: Ranks) -> VocabularyScope | None:
        """This scope, if any name is left."""
        return replace(self, variables=self.variables | {variable}) if len(ranks) else None

    def _role(self, triple: Triple, position: Position) -> Role:
        named = triple.predicate
        is_type = (
            isinstance(named, Name)
            and self.ground.names.term(named.rank) == self.ground.facts.type_id
        )
        return "class" if position == "object" and is_type else position


@dataclass(frozen=True, slots=True)
class FactsScope:
    """Names with which a triple has a match: alone, or with all triples added before.

    Attributes:
        joined: Whether triples must match together.
        patterns: The triples so far, where they are joined.
        domains: What each variable can stand for.
        bounds: What variables were restricted to, other than by patterns.
    """

    ground: Ground
    joined: bool
    reached: Level
    reason: str = ""
    patterns: tuple[Pattern, ...] = ()
    domains: Mapping[str, Domain] = field(default_factory=dict)
    bounds: Mapping[str, Ids] = field(default_factory=dict)

    def candidates(self, triple: Triple, position: Position) -> Candidates:
        """What leaves the triple a match (and its domains, where triples are joined)."""
        ground, domains = self.ground, self.domains if self.joined else {}
        pattern = ground.pattern(triple)
        found = ground.reducer.project(pattern, domains, position)
        place = POSITIONS.index(position)
        own = {t for t in pattern if isinstance(t, str) and not t.startswith(_OPEN)}
        variables = {v for v in own if self._may_repeat(pattern, place, v, domains)}
        for variable, domain in self.domains.items():
            if variable not in own and len(found) and (not self.joined or domain.meets(found)):
                variables.add(variable)
        return Candidates(self._named(found, position), frozenset(variables), len(found) > 0)

    def add(self, triple: Triple) -> FactsScope | None:
        """This scope and a complete triple; None where it has no solution."""
        pattern = self.ground.pattern(triple)
        if not self.joined:
            return self._add_alone(pattern)
        patterns = self.patterns if pattern in self.patterns else (*self.patterns, pattern)
        domains = self.ground.reducer.reduce(patterns, self.domains, [patterns.index(pattern)])
        return None if domains is None else self._judged(patterns, domains, pattern)

    def domain(self, variable: str) -> Ranks | None:
        """The names among what a variable can stand for."""
        held = self.domains.get(variable)
        return None if held is None else self.ground.names.ranks(held.ids)

    def restrict(self, variable: str, ranks: Ranks) -> FactsScope | None:
        """This scope where a variable stands for one of `ranks`."""
        ids, held = self.ground.names.terms(ranks), self.domains.get(variable)
        if held is not None:
            ids = ids[held.holds(ids)]
        if not len(ids):
            return None
        domains = {**self.domains, variable: self.ground.reducer.domain(ids)}
        here = replace(self, domains=domains, bounds={**self.bounds, variable: ids})
        around = [place for place, p in enumerate(self.patterns) if variable in p]
        if not around:
            return here
        reduced = self.ground.reducer.reduce(self.patterns, domains, around)
        if reduced is None:
            return None
        return here._judged(self.patterns, reduced, self.patterns[around[0]])

    def _add_alone(self, pattern: Pattern) -> FactsScope | None:
        if not self.ground.reducer.exists(pattern, {}):
            return None
        domains = dict(self.domains)
        for variable, ids in self.ground.reducer.revise(pattern, {}).items():
            domains.setdefault(variable, self.ground.reducer.domain(ids))
        return replace(self, domains=domains)

    def _judged(
        self, patterns: tuple[Pattern, ...], domains: dict[str, Domain], around: Pattern
    ) -> FactsScope | None:
        """The scope with these domains, if the patterns joined to one have a solution."""
        joined = component(patterns, around)
        try:
            settled = settle(self.ground.reducer, self.ground.most_rows, joined, domains)
        except OverBudget:
            return self._asked(patterns, domains, joined)
        return None if settled is None else replace(self, patterns=patterns, domains=settled)

    def _asked(
        self, patterns: tuple[Pattern, ...], domains: dict[str, Domain], joined: list[Pattern]
    ) -> FactsScope | None:
        """The same by the store itself; a lower level where it does not know either in time."""
        answer = self.ground.ask(joined, self.bounds)
        if answer is False:
            return None
        here = replace(self, patterns=patterns, domains=domains)
        if answer is None and self.reached == "nonempty":
            reason = f"whether {len(joined)} joined patterns have a solution was not known in time"
            return replace(here, reached="adjacent", reason=reason)
        return here

    def _may_repeat(
        self, pattern: Pattern, place: int, variable: str, domains: Mapping[str, Domain]
    ) -> bool:
        """Whether a variable of the triple may stand at one more place of it."""
        one, two, three = (variable if i == place else t for i, t in enumerate(pattern))
        return self.ground.reducer.exists((one, two, three), domains)

    def _named(self, found: Ids, position: Position) -> Ranks:
        names, as_predicate = self.ground.names, position == "predicate"
        if found is self.ground.facts.positions[position]:
            return names.kept(f"all {position}s", found, as_predicate=as_predicate)
        return names.ranks(found, as_predicate=as_predicate)
