"""What variables can stand for: domains, and their reduction by triple patterns.

A domain is a set of terms. A pattern reduces the domains of its variables to what its triples
leave (a semi-join); what changed reduces others in turn. Where patterns and variables
form a forest, every term left then belongs to a solution; where they form a cycle, maybe not.

Source: arc consistency, AC-3 (Mackworth, 1977); acyclic joins (Yannakakis, 1981).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tether.graphs import Position
from tether.grounding.graph.facts import Facts, Ids, Rows

POSITIONS: tuple[Position, ...] = ("subject", "predicate", "object")

Pattern = tuple[str | int, str | int, str | int]
"""Subject, predicate, object: a variable by its name, or a term by its id."""

_SPARSE = 32
"""Sets of fewer than one in so many terms are kept sorted; larger ones as a flag for each term."""
_MOST_ROUNDS = 2
_HARDLY_FEWER = 3
"""Terms that have about so many triples each are not worth counting theirs."""


class Domain:
    """A set of terms.

    Attributes:
        ids: The terms.
    """

    def __init__(self, ids: Ids, num_terms: int) -> None:
        self.ids = ids
        self._num_terms = num_terms

    def __len__(self) -> int:
        """How many terms it holds."""
        return len(self.ids)

    def holds(self, column: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether it holds each of some terms, bool [n]."""
        if len(self.ids) == 1:
            return np.asarray(column == self.ids[0])
        if len(column) * _SPARSE > self._num_terms:
            return self._flags[column]
        places = np.searchsorted(self.ids, column)
        places[places == len(self.ids)] = 0
        return np.asarray(self.ids[places] == column)

    def meets(self, other: Ids) -> bool:
        """Whether it has a term in common with a sorted set."""
        if len(other) * _SPARSE > self._num_terms:
            return bool(self._flags[other].any())
        return bool(self.holds(other).any())

    @cached_property
    def _flags(self) -> NDArray[np.bool_]:
        flags = np.zeros(self._num_terms, np.bool_)
        flags[self.ids] = True
        return flags


Domains = Mapping[str, Domain]


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
        could shrink by little for long: there it ends after two rounds.

        Variables that have no domain yet can stand for anything.
        """
        found, rounds = dict(domains), [0] * len(patterns)
        waiting = deque(start)
        while waiting:
            current = waiting.popleft()
            rounds[current] += 1
            twins = [p for p in patterns if is_twin(p, patterns[current])]
            for variable, ids in self.revise(patterns[current], found, twins).items():
                if not len(ids):
                    return None
                if variable in found and len(found[variable]) == len(ids):
                    continue
                found[variable] = self.domain(ids)
                waiting.extend(
                    place
                    for place, pattern in enumerate(patterns)
                    if place != current
                    and variable in pattern
                    and place not in waiting
                    and rounds[place] < _MOST_ROUNDS
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
        return {variable: self.unique(column) for variable, column in columns.items()}

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
        return self.unique(_kept(rows[place], keep))

    def exists(self, pattern: Pattern, domains: Domains) -> bool:
        """Whether a pattern has a triple."""
        rows, keep = self._select(pattern, domains)
        return len(rows.subject) > 0 if keep is None else bool(keep.any())

    def _select(self, pattern: Pattern, domains: Domains) -> tuple[Rows, NDArray[np.bool_] | None]:
        """Triples gathered where they are fewest, and which of them are the pattern's; None: all.

        Only the columns that are used need to be cut down to those.
        """
        sets = [self._set(term, domains) for term in pattern]
        rows, done = self._gather(sets)
        tests = [h.holds(rows[i]) for i, h in enumerate(sets) if h is not None and i != done]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            if pattern[one] == pattern[other] and isinstance(pattern[one], str):
                tests.append(np.asarray(rows[one] == rows[other]))
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
        sets = [self._set(term, domains) for term in pattern]
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
        if place == 1 and len(held) * _SPARSE > self.facts.num_terms:
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

    def unique(self, column: NDArray[np.int32]) -> Ids:
        """The terms of a column, each once and sorted."""
        if len(column) < 2:
            return column
        if len(column) * _SPARSE < self.facts.num_terms:
            return np.unique(column)
        flags = np.zeros(self.facts.num_terms, np.bool_)
        flags[column] = True
        return np.flatnonzero(flags).astype(np.int32)


def variables_of(pattern: Pattern) -> list[str]:
    """The variables of a pattern, each once."""
    return list(dict.fromkeys(term for term in pattern if isinstance(term, str)))


def is_twin(one: Pattern, other: Pattern) -> bool:
    """Whether two patterns are over the same two variables."""
    shared = set(variables_of(one))
    return one != other and len(shared) == 2 and shared == set(variables_of(other))


def _kept(column: NDArray[np.int32], keep: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    return column if keep is None else column[keep]


def among(keys: NDArray[np.int64], held: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each key is among sorted ones."""
    if not len(held):
        return np.zeros(len(keys), np.bool_)
    places = np.searchsorted(held, keys)
    places[places == len(held)] = 0
    return np.asarray(held[places] == keys)
