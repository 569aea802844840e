"""Whether a conjunction of patterns has a solution, also where they form a cycle.

Patterns and variables are the two sides of a graph. Where it is a forest, reduced domains decide.
Else a variable of a cycle is given its terms one after another: fixed, it joins nothing any more.

Source: cycle-cutset conditioning (Dechter, Enhancement schemes for constraint processing, 1990).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tether.grounding.graph.domains import Domain, Domains, Pattern, Reducer, is_twin, variables_of


class OverBudget(Exception):
    """The check would cost more than it may."""


class Solver:
    """Decides within a budget, which is counted in trials: the same on every machine.

    Args:
        reducer: Semi-joins over the facts.
        trials: How often a variable may be given a term.
    """

    def __init__(self, reducer: Reducer, trials: int) -> None:
        self._reducer = reducer
        self._left = trials

    def solvable(self, patterns: Sequence[Pattern], domains: Domains) -> bool:
        """Whether domains that are reduced already hold a solution.

        Raises:
            OverBudget: It would cost more.
        """
        variable = core(patterns, domains)
        if variable is None:
            return True
        return any(
            self._fits(patterns, domains, variable, int(term)) for term in domains[variable].ids
        )

    def sharpen(self, patterns: Sequence[Pattern], domains: Domains) -> dict[str, Domain] | None:
        """The domains without those terms of a cycle's variable that belong to no solution.

        None: there is none left. Where that would cost more than the budget, they stay as they are.
        """
        variable = core(patterns, domains)
        if variable is None:
            return dict(domains)
        try:
            kept = [t for t in domains[variable].ids if self._fits(patterns, domains, variable, t)]
        except OverBudget:
            return dict(domains)
        fixed = self._reducer.domain(np.array(kept, np.int32))
        around = [place for place, pattern in enumerate(patterns) if variable in pattern]
        return self._reducer.reduce(patterns, {**domains, variable: fixed}, around)

    def _fits(
        self, patterns: Sequence[Pattern], domains: Domains, variable: str, term: int
    ) -> bool:
        if not self._left:
            raise OverBudget
        self._left -= 1
        fixed = self._reducer.domain(np.array([term], np.int32))
        around = [place for place, pattern in enumerate(patterns) if variable in pattern]
        reduced = self._reducer.reduce(patterns, {**domains, variable: fixed}, around)
        return reduced is not None and self.solvable(patterns, reduced)


def core(patterns: Sequence[Pattern], domains: Domains) -> str | None:
    """The variable with the fewest terms among those on cycles; None where there is no cycle.

    A variable with one term joins nothing: it counts as that term. Twins are one pattern, since
    they are reduced as one.
    """
    own = [p for i, p in enumerate(patterns) if not any(is_twin(p, q) for q in patterns[:i])]
    joined = [{v for v in variables_of(p) if v not in domains or len(domains[v]) > 1} for p in own]
    while True:
        counts: dict[str, int] = {}
        for variables in joined:
            for variable in variables:
                counts[variable] = counts.get(variable, 0) + 1
        kept = [{v for v in variables if counts[v] > 1} for variables in joined]
        kept = [variables for variables in kept if len(variables) > 1]
        if kept == joined:
            break
        joined = kept
    return min(counts, key=lambda v: (len(domains[v]), v), default=None)


def component(patterns: Sequence[Pattern], around: Pattern) -> list[Pattern]:
    """The patterns that variables join to one, itself among them."""
    reached, waiting, left = [around], [around], [p for p in patterns if p != around]
    while waiting:
        own = set(variables_of(waiting.pop()))
        found = [pattern for pattern in left if own.intersection(variables_of(pattern))]
        left = [pattern for pattern in left if pattern not in found]
        reached += found
        waiting += found
    return reached
