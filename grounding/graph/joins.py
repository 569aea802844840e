"""Solutions of patterns that are joined to each other, found depth first and many at a time.

A plan binds one variable after another, each along the pattern that leads to the fewest terms; the
other patterns are looked up as soon as both of their ends are bound. Rows go through the plan in
pieces, so that a first solution is found long before all of them are.

Source: joins that are optimal in the worst case, a variable at a time (Ngo, Porat, Re and Rudra,
2012; Veldhuizen, Leapfrog Triejoin, 2014).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tether.grounding.graph.domains import Domain, Domains, among, unique
from tether.grounding.graph.facts import Grouped
from tether.grounding.graph.reducer import POSITIONS, Reducer
from tether.grounding.graph.shape import Pattern, variables, variables_of

Column = NDArray[np.int32]
Table = dict[str, Column]
"""Solutions by columns, one for each variable."""

_FIRST_PIECE, _GROWTH, _MOST_PIECE = 128, 8, 16_384
_WIDEST_KEY = 2**63 - 1


class OverBudget(Exception):
    """The join would cost more than it may."""


class Plan(NamedTuple):
    """An order of patterns.

    Attributes:
        start: The variable whose terms come first.
        patterns: What binds or is looked up next, one by one.
        cost: About how many rows that makes.
    """

    start: str
    patterns: tuple[Pattern, ...]
    cost: float


class Joiner:
    """Joins patterns within a budget of rows: the same on every machine.

    Args:
        reducer: Semi-joins over the facts.
        most: Rows that may be read and made for one answer.
    """

    def __init__(self, reducer: Reducer, most: int) -> None:
        self._reducer, self._facts = reducer, reducer.facts
        self._most, self.spent = most, 0

    def solutions(self, part: Sequence[Pattern], domains: Domains) -> Iterator[Table]:
        """All solutions, in tables that are not empty.

        Raises:
            OverBudget: The next one would cost more than is left.
        """
        plan = min((self._plan(part, domains, v) for v in variables(part)), key=lambda p: p.cost)
        ids, first, size = domains[plan.start].ids, 0, _FIRST_PIECE
        while first < len(ids):
            piece = {plan.start: ids[first : first + size]}
            yield from self._search(piece, plan.patterns, domains)
            first, size = first + size, min(size * _GROWTH, _MOST_PIECE)

    def _plan(self, part: Sequence[Pattern], domains: Domains, start: str) -> Plan:
        """The order of patterns that makes fewest rows at each step, from one variable on."""
        bound, rows = {start}, float(len(domains[start]))
        left, order, cost = list(part), list[Pattern](), rows
        while left:
            fans = [(self._fan(pattern, bound, domains), i) for i, pattern in enumerate(left)]
            fan, place = min(fans)
            order.append(left.pop(place))
            bound |= set(variables_of(order[-1]))
            cost, rows = cost + rows * max(fan, 1), rows * fan
        return Plan(start, tuple(order), cost)

    def _fan(self, pattern: Pattern, bound: set[str], domains: Domains) -> float:
        """About how many rows of a pattern there are to one of what is bound."""
        size = self._facts.num_triples
        if _is_edge(pattern):
            size = self._facts.degrees("predicate", np.array([pattern[1]], np.int32))
        of_bound = [float(len(domains[v])) for v in variables_of(pattern) if v in bound]
        return size / float(np.prod(of_bound)) if of_bound else float("inf")

    def _search(
        self, table: Table, patterns: Sequence[Pattern], domains: Domains
    ) -> Iterator[Table]:
        """The solutions that go on from the rows of a table."""
        if not height(table):
            return
        if not patterns:
            yield table
            return
        for longer in self._joined(table, patterns[0], domains):
            yield from self._search(longer, patterns[1:], domains)

    def _joined(self, table: Table, pattern: Pattern, domains: Domains) -> Iterator[Table]:
        """A table joined with a pattern's triples, in pieces."""
        if not _is_edge(pattern):
            yield self._merged(table, pattern, domains)
            return
        own, other = variables_of(pattern)
        if own in table and other in table:
            self._spend(height(table))
            yield _kept(table, self._holds(pattern, table))
        elif own in table:
            yield from self._grown(table, own, other, self._edges(pattern, 0), domains)
        else:
            yield from self._grown(table, other, own, self._edges(pattern, 2), domains)

    def _grown(
        self, table: Table, own: str, other: str, edges: Grouped, domains: Domains
    ) -> Iterator[Table]:
        """Each row with each term that an edge leads to."""
        firsts = edges.offsets[table[own]]
        counts = edges.offsets[table[own] + 1] - firsts
        ends = np.cumsum(counts, dtype=np.int64)
        cuts = np.searchsorted(ends, np.arange(_MOST_PIECE, int(ends[-1]), _MOST_PIECE))
        for low, high in zip([0, *cuts], [*cuts, len(ends)], strict=True):
            if low == high:
                continue
            self._spend(int(counts[low:high].sum()))
            rows = np.arange(low, high).repeat(counts[low:high])
            before = ends[low:high] - counts[low:high]
            shift = firsts[low:high] - (before - before[0])
            found = edges.values[np.arange(len(rows)) + shift.repeat(counts[low:high])]
            longer = {**{v: column[rows] for v, column in table.items()}, other: found}
            yield _kept(longer, domains[other].holds(found))

    def _holds(self, pattern: Pattern, table: Table) -> NDArray[np.bool_]:
        """Which rows are triples of a pattern: by halving the terms that an edge leads to."""
        own, other = variables_of(pattern)
        edges = self._edges(pattern, 0)
        low, high = edges.offsets[table[own]], edges.offsets[table[own] + 1]
        end, wanted, last = high, table[other], len(edges.values) - 1
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) >> 1
            is_less = (edges.values[np.minimum(middle, last)] < wanted) & (low < high)
            low = np.where(is_less, middle + 1, low)
            high = np.where(is_less, high, np.maximum(middle, low))
        return np.asarray((low < end) & (edges.values[np.minimum(low, last)] == wanted))

    def _edges(self, pattern: Pattern, place: int) -> Grouped:
        """What each term leads to by a pattern's predicate."""
        return self._facts.edges(int(pattern[1]), POSITIONS[place])

    def _merged(self, table: Table, pattern: Pattern, domains: Domains) -> Table:
        """A table joined with a pattern of any kind, whose triples are read for it."""
        shared = [v for v in variables_of(pattern) if v in table]
        columns = self._read(pattern, {**domains, **{v: self._domain(table[v]) for v in shared}})
        own, others = self._keys(table, shared), self._keys(columns, shared)
        order = np.argsort(others, kind="stable")
        others, columns = others[order], {v: column[order] for v, column in columns.items()}
        if len(shared) == len(columns):  # nothing new: whole triples are looked up
            return _kept(table, among(own, others))
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
        self._spend(self._reducer.cost(pattern, domains))
        return self._reducer.columns(pattern, domains)

    def _keys(self, table: Table, variables: Sequence[str]) -> NDArray[np.int64]:
        """One number for the terms of some variables in each row."""
        num_terms = self._facts.num_terms
        if num_terms ** len(variables) > _WIDEST_KEY:
            raise OverBudget
        keys = np.zeros(height(table), np.int64)
        for variable in variables:
            keys = keys * num_terms + table[variable]
        return keys

    def _domain(self, column: Column) -> Domain:
        """The terms of a column."""
        return self._reducer.domain(unique(column, self._facts.num_terms))

    def _spend(self, rows: int) -> None:
        self.spent += rows
        if self.spent > self._most:
            raise OverBudget


def height(table: Table) -> int:
    """How many rows a table has."""
    return len(next(iter(table.values()), ()))


def _is_edge(pattern: Pattern) -> bool:
    """Whether a pattern joins two variables by a predicate that is named."""
    return not isinstance(pattern[1], str) and len(variables_of(pattern)) == 2


def _kept(table: Table, keep: NDArray[np.bool_]) -> Table:
    return table if keep.all() else {v: column[keep] for v, column in table.items()}
