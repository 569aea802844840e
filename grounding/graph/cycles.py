"""Whether a conjunction of patterns has a solution, also where they form a cycle.

Where they form a forest, reduced domains decide. Else their core (`shape.py`) is joined
(`joins.py`): all of it where that is small, and the domains are exact then; or until a solution
is found.

Source: acyclic joins (Yannakakis, 1981).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tether.grounding.graph.domains import Domain, Domains, unique
from tether.grounding.graph.joins import Joiner, Table
from tether.grounding.graph.reducer import Reducer
from tether.grounding.graph.shape import Pattern, cores, variables

_EXACT_ROWS = 50_000
"""Rows that may be spent on knowing all solutions, where knowing one would do."""


def settle(
    reducer: Reducer, most: int, patterns: Sequence[Pattern], domains: Domains
) -> dict[str, Domain] | None:
    """Reduced domains made exact as far as that is cheap; None where there is no solution.

    Args:
        reducer: Semi-joins over the facts.
        most: Rows that may be read and made for it.
        patterns: What is joined.
        domains: Of all their variables, reduced.

    Raises:
        OverBudget: Whether there is a solution would cost more to know.
    """
    found = dict(domains)
    for part in cores(patterns):
        tables = _solutions(Joiner(reducer, most), part, domains)
        if tables == []:
            return None
        for variable in variables(part) if tables else ():
            column = np.concatenate([table[variable] for table in tables or ()])
            found[variable] = reducer.domain(unique(column, reducer.facts.num_terms))
    changed = {v for v in found if len(found[v]) < len(domains[v])}
    around = [i for i, pattern in enumerate(patterns) if changed.intersection(pattern)]
    return reducer.reduce(patterns, found, around)


def _solutions(joiner: Joiner, part: Sequence[Pattern], domains: Domains) -> list[Table] | None:
    """All solutions; None where there are some, but too many to know all."""
    found: list[Table] = []
    for table in joiner.solutions(part, domains):
        found.append(table)
        if joiner.spent > _EXACT_ROWS:
            return None
    return found
