"""What a variable can stand for: a set of terms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tether.grounding.graph.facts import Ids

SPARSE = 32
"""Sets of fewer than one in so many terms are kept sorted; larger ones as a flag for each term."""


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
        if len(column) * SPARSE > self._num_terms:
            return self._flags[column]
        places = np.searchsorted(self.ids, column)
        places[places == len(self.ids)] = 0
        return np.asarray(self.ids[places] == column)

    def covers(self, other: Ids) -> bool:
        """Whether it holds all of a sorted set."""
        return len(self.ids) >= len(other) and bool(self.holds(other).all())

    def meets(self, other: Ids) -> bool:
        """Whether it has a term in common with a sorted set."""
        if len(other) * SPARSE > self._num_terms:
            return bool(self._flags[other].any())
        return bool(self.holds(other).any())

    @cached_property
    def _flags(self) -> NDArray[np.bool_]:
        flags = np.zeros(self._num_terms, np.bool_)
        flags[self.ids] = True
        return flags


Domains = Mapping[str, Domain]


def unique(column: NDArray[np.int32], num_terms: int) -> Ids:
    """The terms of a column, each once and sorted."""
    if len(column) < 2:
        return column
    if len(column) * SPARSE < num_terms:
        return np.unique(column)
    flags = np.zeros(num_terms, np.bool_)
    flags[column] = True
    return np.flatnonzero(flags).astype(np.int32)


def among(keys: NDArray[np.int64], held: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each key is among sorted ones."""
    if not len(held):
        return np.zeros(len(keys), np.bool_)
    places = np.searchsorted(held, keys)
    places[places == len(held)] = 0
    return np.asarray(held[places] == keys)
