"""What the SPARQL matcher asks of a graph; the grounding room answers it (`grounding/graph`).

Everything here is a value: a `Scope` is never changed, so that going back costs nothing. Terms of
the graph are ranks: places in one sorted list of names, each name being the tokens of its text as
it stands in a query, with the space before it: ` :manager`, ` <http://…>`, ` a` (rdf:type as a
predicate), ` "Heinrich Hoch"`, ` "x"@de`, ` 628718`. Texts of no name hold a line break.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tether.grammars.vocabulary import Vocabulary
from tether.graphs import (
    LEVELS,
    Candidates,
    Level,
    Name,
    Place,
    Position,
    Ranks,
    Role,
    Slot,
    Term,
    Triple,
    Variable,
)

__all__ = [
    "LEVELS",
    "Candidates",
    "GraphLookup",
    "GraphSource",
    "Level",
    "Name",
    "Names",
    "Place",
    "Position",
    "Ranks",
    "Role",
    "Scope",
    "Slot",
    "Term",
    "Triple",
    "Variable",
]


class Names(Protocol):
    """All names as tokens of one vocabulary: a trie whose leaves are ranks."""

    def start(self) -> Place:
        """The root."""

    def tokens(self, place: Place, among: Ranks) -> npt.NDArray[np.int64]:
        """Tokens, int64 [n], by which at least one name of `among` goes on from `place`."""

    def step(self, place: Place, token: int) -> Place | None:
        """The place after `token`; None where no name goes on with it."""

    def ended(self, place: Place) -> int | None:
        """The rank of the name that is complete here, if one is (others may go on)."""

    def text(self, rank: int) -> str:
        """The text of a name without the space before it."""

    def rank(self, text: str) -> int | None:
        """The rank of the name with this text (no space before it)."""


class Scope(Protocol):
    """A conjunction of triple patterns over a graph, at one level. Immutable.

    At `vocabulary` the candidates are those of the position's role (of `class`, where the
    predicate is rdf:type); at `adjacent` those with which the triple alone has a match; at
    `nonempty` those with which it has one together with everything added before. At the last two,
    what is offered at one position leaves something for the positions not said yet. Where a check
    costs more than its budget, the scope answers by a lower level and says so in `reached`.
    """

    @property
    def reached(self) -> Level:
        """The level that all answers on the way to this scope had."""

    @property
    def reason(self) -> str:
        """Why `reached` is below the level that was asked for; "" where it is not."""

    def candidates(self, triple: Triple, position: Position) -> Candidates:
        """What may stand at `position`, where `triple` has what was said of it already."""

    def add(self, triple: Triple) -> Scope | None:
        """This scope and a complete triple; None where it has no solution (exact at `nonempty`)."""

    def domain(self, variable: str) -> Ranks | None:
        """The terms that a variable can stand for (or more); None where the scope lacks it."""

    def restrict(self, variable: str, ranks: Ranks) -> Scope | None:
        """This scope where a variable stands for one of `ranks`; None where it has no solution."""


class GraphLookup(Protocol):
    """A graph over one vocabulary."""

    @property
    def key(self) -> str:
        """A hash of the graph and of the vocabulary."""

    @property
    def prefixes(self) -> Mapping[str, str]:
        """Prefix -> namespace of the names' texts; the host declares them."""

    @property
    def names(self) -> Names:
        """The trie."""

    def role(self, role: Role) -> Ranks:
        """The names that occur in a role."""

    def scope(self, level: Level) -> Scope:
        """The empty conjunction."""

    def ask(self, query: str) -> bool | None:
        """Whether a whole query (prefixes declared, checked, read-only) has a row or says yes.

        None where it costs more than the budget of a check.
        """

    def refusal(self, query: str) -> str | None:
        """Why the store's own parser refuses a whole query; None where it does not."""


class GraphSource(Protocol):
    """A graph before any vocabulary."""

    @property
    def digest(self) -> str:
        """A hash of its facts."""

    @property
    def key(self) -> str:
        """What tells it from others in this process: its facts and where they are."""

    def lookup(self, vocabulary: Vocabulary) -> GraphLookup:
        """The graph over a vocabulary."""
