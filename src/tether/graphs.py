"""The words in which a graph is asked: terms, triple patterns and what may stand in them.

Values only, shared by what asks (`grammars/sparql`) and what answers (`grounding/graph`), which do
not know each other. What is asked is the protocol `tether.grammars.sparql.lookup.GraphLookup`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Level = Literal["syntax", "vocabulary", "adjacent", "nonempty"]
"""What is promised of a query, weakest first; see `docs/explanation/sparql.md`."""
LEVELS: tuple[Level, ...] = ("syntax", "vocabulary", "adjacent", "nonempty")

Role = Literal["subject", "predicate", "object", "class", "graph", "datatype", "function"]
Position = Literal["subject", "predicate", "object"]

Ranks = npt.NDArray[np.uint32]
"""Names as ranks, uint32 [n], ascending, each once."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable by its name without `?`; hidden ones (in paths) begin with a space."""

    name: str


@dataclass(frozen=True, slots=True)
class Name:
    """A term of the graph."""

    rank: int


Term = Variable | Name


class Triple(NamedTuple):
    """A triple pattern; None stands where nothing was said yet."""

    subject: Term | None = None
    predicate: Term | None = None
    object: Term | None = None


class Candidates(NamedTuple):
    """What may stand at one position of a triple.

    Attributes:
        ranks: The names.
        variables: Those variables of the scope and of the triple itself that may stand there.
        fresh: Whether a variable that is in neither may.
    """

    ranks: Ranks
    variables: frozenset[str]
    fresh: bool


class Place(NamedTuple):
    """A place in the trie of names: a node, and the ranks [low, high) below it."""

    node: int
    low: int
    high: int


class Slot(NamedTuple):
    """A place of a text where a name may begin, or goes on.

    Attributes:
        place: How much of it was said.
        names: Those that may stand there at all.
    """

    place: Place
    names: Ranks
