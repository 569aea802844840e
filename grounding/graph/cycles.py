"""Whether a conjunction of patterns has a solution, also where they form a cycle.

Patterns and variables are the two sides of a graph. Where it is a forest, reduced domains decide.
Else what is left of it without its leaves is joined: all of it where that is small, and the
domains are exact then; or piece by piece until a solution is found.

Source: acyclic joins (Yannakakis, 1981); leaves are removed as by Graham's reduction (1979).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tether.grounding.graph.domains import (
    Domain,
    Domains,
    Pattern,
    Reducer,
    among,
    is_twin,
    variables_of,
)

Table = dict[str, NDArray[np.int32]]
"""Solutions by columns, one for each variable."""

_FIRST_PIECE, _GROWTH = 16, 16
_WIDEST_KEY = 2**63 - 1
_EXACT_ROWS = 50_000
"""Rows that may be spent on knowing all solutions, where knowing one would do."""


class OverBudget(Exception):
    """The check would cost more than it may."""


class Joiner:
    """Joins patterns within a budget of rows: the same on every machine.

    Args:
        reducer: Semi-joins over the facts.
        most: Rows that may be read and made for one answer.
    """

    def __init__(self, reducer: Reducer, most: int) -> None:
        self._reducer = reducer
        self._most = self._left = most

    def settle(self, patterns: Sequence[Pattern], domains: Domains) -> dict[str, Domain] | None:
        """Reduced domains made exact as far as that is cheap; None where there is no solution.

        Raises:
            OverBudget: Whether there is one would cost more to know.
        """
        found = dict(domains)
        for part in cores(patterns):
            table = self._solutions(part, domains)
            if table is None:
                return None
            found |= {v: self._domain(column) for v, column in table.items()}
        changed = {v for v in found if len(found[v]) < len(domains[v])}
        around = [i for i, pattern in enumerate(patterns) if changed.intersection(pattern)]
        return self._reducer.reduce(patterns, found, around)

    def _solutions(self, part: Sequence[Pattern], domains: Domains) -> Table | None:
        """All solutions; an empty table where there are too many; None where there are none."""
        self._left = min(self._most, _EXACT_ROWS)
        try:
            table = self._join(part, domains)
        except OverBudget:
            self._left = self._most
            return {} if any(self._pieces(part, domains)) else None
        return table if _height(table) else None

    def _pieces(self, part: Sequence[Pattern], domains: Domains) -> Iterator[bool]:
        """Whether there are solutions for the first terms of a variable, for more, and so on.

        Of the variable with the most terms: each of them has few triples then.
        """
        variable = max(variables(part), key=lambda v: (len(domains[v]), v))
        ids, first, size = domains[variable].ids, 0, _FIRST_PIECE
        while first < len(ids):
            piece = self._reducer.domain(ids[first : first + size])
            yield _height(self._join(part, {**domains, variable: piece})) > 0
            first, size = first + size, size * _GROWTH

    def _join(self, part: Sequence[Pattern], domains: Domains) -> Table:
        """All solutions of patterns that are joined to each other."""
        left = sorted(part, key=lambda p: min(len(domains[v]) for v in variables_of(p)))
        table = self._read(left.pop(0), domains)
        while left and _height(table):
            closing = max(left, key=lambda p: _share(variables_of(p), table))
            left.remove(closing)
            table = self._joined(table, closing, domains)
        return table

    def _joined(self, table: Table, pattern: Pattern, domains: Domains) -> Table:
        """A table joined with a pattern's triples."""
        shared = [v for v in variables_of(pattern) if v in table]
        tight = {v: self._domain(table[v]) for v in shared}
        columns = self._read(pattern, {**domains, **tight})
        own, others = self._keys(table, shared), self._keys(columns, shared)
        if not _is_sorted(others):
            order = np.argsort(others, kind="stable")
            others, columns = others[order], {v: column[order] for v, column in columns.items()}
        if len(shared) == len(columns):  # nothing new: whole triples are looked up
            keep = among(own, others)
            return {v: column[keep] for v, column in table.items()}
        first = np.searchsorted(others, own, "left")
        counts = np.searchsorted(others, own, "right") - first
        ends = np.cumsum(counts)
        self._spend(int(ends[-1]))
        rows = np.arange(ends[-1]) + (first - (ends - counts)).repeat(counts)
        place = np.arange(len(own)).repeat(counts)
        found = {v: columns[v][rows] for v in columns if v not in table}
        return {**found, **{v: column[place] for v, column in table.items()}}

    def _read(self, pattern: Pattern, domains: Domains) -> Table:
        """The triples of a pattern."""
        columns = self._reducer.columns(pattern, domains)
        self._spend(_height(columns))
        return columns

    def _keys(self, table: Table, variables: Sequence[str]) -> NDArray[np.int64]:
        """One number for the terms of some variables in each row."""
        num_terms = self._reducer.facts.num_terms
        if num_terms ** len(variables) > _WIDEST_KEY:
            raise OverBudget
        keys = np.zeros(_height(table), np.int64)
        for variable in variables:
            keys = keys * num_terms + table[variable]
        return keys

    def _domain(self, column: NDArray[np.int32]) -> Domain:
        return self._reducer.domain(self._reducer.unique(column))

    def _spend(self, rows: int) -> None:
        self._left -= rows
        if self._left < 0:
            raise OverBudget


def variables(patterns: Sequence[Pattern]) -> list[str]:
    """The variables of patterns, each once."""
    return list(dict.fromkeys(v for pattern in patterns for v in variables_of(pattern)))


def cores(patterns: Sequence[Pattern]) -> list[list[Pattern]]:
    """What is left of patterns without the leaves of their graph, in parts that share nothing.

    Twins count as one pattern, since they are reduced as one; a forest leaves nothing.
    """
    own = [p for i, p in enumerate(patterns) if not any(is_twin(p, q) for q in patterns[:i])]
    joined = {pattern: set(variables_of(pattern)) for pattern in own}
    size = -1
    while size != (size := sum(map(len, joined.values()))):
        counts = Counter(v for found in joined.values() for v in found)
        joined = {p: {v for v in found if counts[v] > 1} for p, found in joined.items()}
        joined = {p: found if len(found) > 1 else set() for p, found in joined.items()}
    kept = [
        p for p in patterns if any(vs and (p == q or is_twin(p, q)) for q, vs in joined.items())
    ]
    return list(_parts(kept))


def component(patterns: Sequence[Pattern], around: Pattern) -> list[Pattern]:
    """The patterns that variables join to one, itself among them."""
    return next(_parts([around, *(p for p in patterns if p != around)]))


def _parts(patterns: Sequence[Pattern]) -> Iterator[list[Pattern]]:
    """Patterns parted so that no variable is in two parts; the first one's part first."""
    left = list(patterns)
    while left:
        part, waiting = [], [left.pop(0)]
        while waiting:
            part.append(waiting.pop())
            own = set(variables_of(part[-1]))
            waiting += [p for p in left if own.intersection(variables_of(p))]
            left = [p for p in left if p not in waiting]
        yield part


def _share(wanted: Sequence[str], table: Table) -> float:
    """How much of some variables a table has already."""
    return sum(v in table for v in wanted) / len(wanted)


def _is_sorted(keys: NDArray[np.int64]) -> bool:
    return bool((keys[1:] >= keys[:-1]).all())


def _height(table: Table) -> int:
    return len(next(iter(table.values()), ()))
