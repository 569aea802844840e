"""The reduction of domains by triple patterns.

A pattern reduces the domains of its variables to what its triples leave (a semi-join); what changed
reduces others in turn. Where patterns and variables form a forest, every term left then
belongs to a solution; where they form a cycle, maybe not.

Source: arc consistency, AC-3 (Mackworth, 1977); acyclic joins (Yannakakis, 1981).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tether.graphs import Position
from tether.grounding.graph.domains import SPARSE, Domain, Domains, among, unique
from tether.grounding.graph.facts import Facts, Ids, Rows
from tether.grounding.graph.shape import Pattern, cores, is_twin, variables_of

POSITIONS: tuple[Position, ...] = ("subject", "predicate", "object")

_MOST_ROUNDS = 2
_HARDLY_LESS = 8
"""A domain that loses less than one in so many terms has hardly changed."""
_HARDLY_FEWER = 3
"""Terms that have about so many triples each are not worth counting theirs."""


class Reducer:
    """Semi-joins over the facts of a graph."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def domain(self, ids: Ids) -> Domain:
        """A domain of these terms."""
        return Domain(ids, self.facts.num_terms)

    def reduce(
        self, patterns: Sequence[Pattern], domains: Domains, start: Iterable[int]
    ) -> dict[str, Domain] | None:
        """The domains reduced, beginning at some patterns; None: one is empty.

        In a forest each pattern is read once, and nothing is left to reduce. In a cycle domains
        could shrink by little for long: there only what shrinks much goes on, and for two rounds.

        Variables that have no domain yet can stand for anything.
        """
        found, rounds = dict(domains), Counter[int]()
        ring = {pattern for part in cores(patterns) for pattern in part}
        waiting = deque(start)
        while waiting:
            current = waiting.popleft()
            rounds[current] += 1
            twins = [p for p in patterns if is_twin(p, patterns[current])]
            for variable, ids in self.revise(patterns[current], found, twins).items():
                if not len(ids):
                    return None
                before = len(found[variable]) if variable in found else self.facts.num_terms
                if variable in found and before == len(ids):
                    continue
                found[variable] = self.domain(ids)
                is_much = len(ids) * _HARDLY_LESS < before * (_HARDLY_LESS - 1)
                waiting.extend(
                    place
                    for place, pattern in enumerate(patterns)
                    if place != current and variable in pattern and place not in waiting
                    if pattern not in ring or (is_much and rounds[place] < _MOST_ROUNDS)
                )
            if not variables_of(patterns[current]) and not self.exists(patterns[current], found):
                return None
        return found

    def revise(
        self, pattern: Pattern, domains: Domains, twins: Sequence[Pattern] = ()
    ) -> dict[str, Ids]:
        """What the triples of one pattern leave of the domains of its variables.

        Twins are other patterns over the same two variables: a pair must be theirs too.
        """
        places = {variable: pattern.index(variable) for variable in variables_of(pattern)}
        alone = {v: self._alone(pattern, domains, place) for v, place in places.items()}
        if not twins and all(ids is not None for ids in alone.values()):
            return {variable: ids for variable, ids in alone.items() if ids is not None}
        columns = self.columns(pattern, domains)
        for twin in twins:
            held = self._pairs(twin, domains, list(columns))
            keep = among(self._keys(*columns.values()), held)
            columns = {variable: column[keep] for variable, column in columns.items()}
        return {variable: self._unique(column) for variable, column in columns.items()}

    def columns(self, pattern: Pattern, domains: Domains) -> dict[str, NDArray[np.int32]]:
        """The triples of a pattern, as what they give each of its variables."""
        rows, keep = self._select(pattern, domains)
        return {v: _kept(rows[pattern.index(v)], keep) for v in variables_of(pattern)}

    def project(self, pattern: Pattern, domains: Domains, position: Position) -> Ids:
        """The terms at one position of a pattern's triples."""
        place = POSITIONS.index(position)
        alone = self._alone(pattern, domains, place)
        if alone is not None:
            return alone
        rows, keep = self._select(pattern, domains)
        return self._unique(_kept(rows[place], keep))

    def exists(self, pattern: Pattern, domains: Domains) -> bool:
        """Whether a pattern has a triple."""
        given = [held for held in self._sets(pattern, domains) if held is not None]
        if len(given) < 2 and _twice(pattern) is None:
            return self.cost(pattern, domains) > 0
        rows, keep = self._select(pattern, domains)
        return len(rows.subject) > 0 if keep is None else bool(keep.any())

    def cost(self, pattern: Pattern, domains: Domains) -> int:
        """How many triples are read for a pattern's."""
        twice = _twice(pattern)
        if twice is not None:
            return len(self.facts.repeated(*twice).subject)
        sets = self._sets(pattern, domains)
        return min(
            self.facts.num_triples if held is None else self.facts.degrees(position, held.ids)
            for held, position in zip(sets, POSITIONS, strict=True)
        )

    def _select(self, pattern: Pattern, domains: Domains) -> tuple[Rows, NDArray[np.bool_] | None]:
        """Triples gathered where they are fewest, and which of them are the pattern's; None: all.

        Only the columns that are used need to be cut down to those.
        """
        sets = self._sets(pattern, domains)
        twice = _twice(pattern)
        rows, done = self._gather(sets) if twice is None else (self.facts.repeated(*twice), -1)
        tests = [h.holds(rows[i]) for i, h in enumerate(sets) if h is not None and i != done]
        if len(set(pattern)) == 1:
            tests.append(np.asarray(rows[0] == rows[2]))
        return rows, np.logical_and.reduce(tests) if tests else None

    def _pairs(
        self, pattern: Pattern, domains: Domains, variables: Sequence[str]
    ) -> NDArray[np.int64]:
        """The pairs of terms that a pattern gives two variables, as sorted numbers."""
        columns = self.columns(pattern, domains)
        keys = self._keys(*(columns[variable] for variable in variables))
        if (keys[1:] < keys[:-1]).any():
            keys.sort()
        return keys

    def _keys(self, one: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.int64]:
        return one.astype(np.int64) * self.facts.num_terms + other

    def _sets(self, pattern: Pattern, domains: Domains) -> list[Domain | None]:
        """What each position is held to; None also where the pattern's predicate sees to it."""
        sets = [self._set(term, domains) for term in pattern]
        predicate = pattern[1]
        group = None if isinstance(predicate, str) else self.facts.group(predicate)
        if group is not None:
            for place, table in ((0, self.facts.subjects_of), (2, self.facts.objects_of)):
                held = sets[place]
                if held is not None and held.covers(table.of(group)):
                    sets[place] = None
        return sets

    def _set(self, term: str | int, domains: Domains) -> Domain | None:
        if isinstance(term, str):
            return domains.get(term)
        return self.domain(np.array([term], np.int32))

    def _gather(self, sets: Sequence[Domain | None]) -> tuple[Rows, int]:
        """All triples by the position where the sets leave fewest, and that position."""
        cost, best = self.facts.num_triples + 1, 1
        for place in sorted(range(3), key=lambda i: len(sets[i] or ())):
            held = sets[place]
            if held is None or len(held) * _HARDLY_FEWER > cost:
                continue
            size = self.facts.degrees(POSITIONS[place], held.ids)
            if size < cost:
                cost, best = size, place
        held = sets[best]
        ids = self.facts.predicates if held is None else held.ids
        return self.facts.rows(POSITIONS[best], ids), best

    def _alone(self, pattern: Pattern, domains: Domains, place: int) -> Ids | None:
        """The terms at a place where a table has them ready; None where triples must be read."""
        if len(variables_of(pattern)) < sum(isinstance(term, str) for term in pattern):
            return None
        sets = self._sets(pattern, domains)
        given = [i for i, held in enumerate(sets) if held is not None]
        if not given:
            return self.facts.positions[POSITIONS[place]]
        if len(given) > 1:
            return None
        held = sets[given[0]]
        assert held is not None
        if given[0] == 1:
            if place == 1:
                return self.facts.predicates[held.holds(self.facts.predicates)]
            return self._of_predicate(int(held.ids[0]), place) if len(held) == 1 else None
        if place == 1 and len(held) * SPARSE > self.facts.num_terms:
            return self._predicates(held, given[0])
        return None

    def _of_predicate(self, predicate: int, place: int) -> Ids:
        """The subjects or the objects of a predicate."""
        group = self.facts.group(predicate)
        if group is None:
            return np.zeros(0, np.int32)
        return (self.facts.subjects_of if place == 0 else self.facts.objects_of).of(group)

    def _predicates(self, held: Domain, place: int) -> Ids:
        """The predicates of a large set of subjects or objects."""
        table = self.facts.subjects_of if place == 0 else self.facts.objects_of
        found = np.logical_or.reduceat(held.holds(table.values), table.offsets[:-1])
        return np.asarray(self.facts.predicates[found])

    def _unique(self, column: NDArray[np.int32]) -> Ids:
        return unique(column, self.facts.num_terms)


def _kept(column: NDArray[np.int32], keep: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    return column if keep is None else column[keep]


def _twice(pattern: Pattern) -> tuple[int, int] | None:
    """Two places of a pattern with the same variable, if there are such."""
    pairs = ((0, 1), (0, 2), (1, 2))
    return next(
        (p for p in pairs if isinstance(pattern[p[0]], str) and pattern[p[0]] == pattern[p[1]]),
        None,
    )
