"""The triples of a graph as numbers, in three orders, read where they lie.

A term is its place in the sorted dictionary, an int32 id. The default graph only: what stands in
named graphs counts for roles, not here.

    terms.bin, terms.npy   the dictionary: N-Triples texts, sorted by bytes (see `strings.py`)
    s.offsets.npy          int32 [num_terms + 1]: the triples of subject i are [offsets[i], offsets[i+1])
    s.predicates.npy       int32 [num_triples], with s.objects.npy: sorted by subject, predicate, object
    s.ids.npy              int32, sorted: the subjects
    o.*.npy                the same by object, predicate, subject
    p.names.npy            int32 [num_predicates], the predicates; p.offsets, p.subjects, p.objects the
                           triples of each, sorted by predicate, subject, object
    ps.offsets, ps.ids     int32: the subjects of each predicate, each once, sorted; po.*: the objects
    role.ROLE.npy          int32, sorted: the terms that occur in a role, in any graph

Source: six-fold indexing of RDF (Weiss et al., Hexastore, 2008), of which three orders do here.
"""  # noqa: E501

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tether.graphs import Position, Role
from tether.grounding.graph import terms
from tether.grounding.index.layout import Part
from tether.grounding.index.strings import Strings, load_array

Ids = NDArray[np.int32]
"""Terms of the dictionary, int32 [n], ascending and each once."""

ROLES: tuple[Role, ...] = get_args(Role)

_KEPT_EDGES = 1 << 27
"""Bytes of offsets that `edges` keeps."""


class Rows(NamedTuple):
    """Triples by columns, each int32 [n]; the same triple stands there once."""

    subject: NDArray[np.int32]
    predicate: NDArray[np.int32]
    object: NDArray[np.int32]


class Grouped(NamedTuple):
    """Numbers in groups: those of group i are values[offsets[i] : offsets[i + 1]]."""

    offsets: NDArray[np.int32]
    values: NDArray[np.int32]

    def of(self, group: int) -> NDArray[np.int32]:
        """The numbers of one group."""
        return self.values[self.offsets[group] : self.offsets[group + 1]]


class Facts:
    """The facts of a graph's part.

    Attributes:
        terms: The dictionary.
        predicates: int32 [num_predicates], sorted.
        subjects_of: The subjects of each predicate, by its place in `predicates`.
        objects_of: The objects.
        edges: What each term leads to by a predicate; the last ones are kept.
        repeated: The triples that have the same term at two places, by these; kept.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.terms = Strings(part.folder, "terms")
        self.predicates = self._load("p.names")
        self.subjects_of = Grouped(self._load("ps.offsets"), self._load("ps.ids"))
        self.objects_of = Grouped(self._load("po.offsets"), self._load("po.ids"))
        self._p = self._load("p.offsets"), self._load("p.subjects"), self._load("p.objects")
        self._s = self._load("s.offsets"), self._load("s.predicates"), self._load("s.objects")
        self._o = self._load("o.offsets"), self._load("o.predicates"), self._load("o.subjects")
        self.repeated = lru_cache(3)(self._repeated)
        self.edges = lru_cache(max(2, _KEPT_EDGES // (4 * self.num_terms)))(self._edges)

    @property
    def num_terms(self) -> int:
        """How many terms there are."""
        return len(self.terms)

    @property
    def num_triples(self) -> int:
        """How many triples the default graph has."""
        return len(self._p[1])

    @cached_property
    def roles(self) -> dict[Role, Ids]:
        """The terms that occur in each role, in any graph."""
        return {role: self._load(f"role.{role}") for role in ROLES}

    @cached_property
    def positions(self) -> dict[Position, Ids]:
        """The terms that stand at each position of the default graph's triples."""
        return {
            "subject": self._load("s.ids"),
            "predicate": self.predicates,
            "object": self._load("o.ids"),
        }

    def id(self, term: str) -> int | None:
        """The id of a term by its N-Triples text."""
        wanted = term.encode()
        low, high = 0, len(self.terms)
        while low < high:
            middle = (low + high) // 2
            if self.terms.bytes(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self.terms) and self.terms.bytes(low) == wanted else None

    @cached_property
    def type_id(self) -> int | None:
        """The id of rdf:type."""
        return self.id(terms.TYPE)

    def group(self, predicate: int) -> int | None:
        """The place of a term in `predicates`."""
        place = int(np.searchsorted(self.predicates, predicate))
        found = place < len(self.predicates) and self.predicates[place] == predicate
        return place if found else None

    def degrees(self, position: Position, ids: Ids) -> int:
        """How many triples have one of `ids` at a position."""
        is_predicate = position == "predicate"
        offsets = self._p[0] if is_predicate else self._side(position)[0]
        groups = self._groups(ids) if is_predicate else ids
        return int((offsets[groups + 1] - offsets[groups]).sum(dtype=np.int64))

    def rows(self, position: Position, ids: Ids) -> Rows:
        """All triples that have one of `ids` at a position."""
        if position == "predicate":
            groups = self._groups(ids)
            places, counts = _ranges(self._p[0], groups)
            own = _spread(self.predicates[groups], counts)
            return Rows(self._p[1][places], own, self._p[2][places])
        offsets, predicates, others = self._side(position)
        places, counts = _ranges(offsets, ids)
        own, other = _spread(ids, counts), others[places]
        if position == "subject":
            return Rows(own, predicates[places], other)
        return Rows(other, predicates[places], own)

    def _repeated(self, one: int, other: int) -> Rows:
        """The triples that have the same term at two of their places."""
        every = self.rows("predicate", self.predicates)
        same = every[one] == every[other]
        return Rows(*(column[same] for column in every))

    def _edges(self, predicate: int, position: Position) -> Grouped:
        """What each term leads to by a predicate, sorted, from subjects or from objects."""
        if position == "subject":
            rows = self.rows("predicate", np.array([predicate], np.int32))
            own, others = rows.subject, rows.object
        else:
            offsets, predicates, subjects = self._o
            places = np.flatnonzero(predicates == predicate)
            others = subjects[places]
            own = np.searchsorted(offsets, places, "right").astype(np.int32) - 1
        counts = np.bincount(own, minlength=self.num_terms)
        return Grouped(np.append(0, np.cumsum(counts)).astype(np.int32), others)

    def _groups(self, ids: Ids) -> NDArray[np.int64]:
        """The places of those of `ids` that are predicates."""
        places = np.searchsorted(self.predicates, ids)
        is_one = places < len(self.predicates)
        is_one[is_one] = self.predicates[places[is_one]] == ids[is_one]
        return places[is_one]

    def _side(
        self, position: Position
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        return self._s if position == "subject" else self._o

    def _load(self, name: str) -> NDArray[np.int32]:
        return load_array(self.part.folder / f"{name}.npy", "int32", 1)


def _ranges(
    offsets: NDArray[np.int32], groups: NDArray[np.signedinteger]
) -> tuple[slice | NDArray[np.int64], NDArray[np.int32]]:
    """Where the members of some groups lie, and how many each has."""
    first, counts = offsets[groups], offsets[groups + 1] - offsets[groups]
    if len(groups) == 1:  # a view is enough
        return slice(int(first[0]), int(first[0] + counts[0])), counts
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    shift = (first - (ends - counts)).repeat(counts)
    return np.arange(total, dtype=np.int64) + shift, counts


def _spread(ids: NDArray[np.int32], counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Each id as often as it counts; nothing is copied where there is one."""
    if len(ids) == 1:
        return np.broadcast_to(ids, int(counts[0]))
    return ids.repeat(counts)
