"""Makes the facts of a graph from its store: a dictionary, three orders, and roles."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyoxigraph import DefaultGraph, Store

from tether.graphs import Role
from tether.grounding.graph import terms
from tether.grounding.graph.facts import Rows
from tether.grounding.index.maker import Advance
from tether.grounding.index.strings import StringWriter, save_array

Numbers = NDArray[np.int32]

_EVERY = 20_000
"""Quads between two reports of progress."""
_DEFAULT = -1
"""Stands for the default graph where a named one has its id."""


class Quads:
    """The quads of a store as numbers, in the order in which terms came.

    Literals are as the store gives them back: `01.50` is `1.5`.
    """

    def __init__(self, store: Store, advance: Advance) -> None:
        self._ids: dict[str, int] = {}
        self._columns = tuple(array("i") for _ in range(4))  # subject, predicate, object, graph
        subject, predicate, other, graph = self._columns
        for done, quad in enumerate(store, 1):
            subject.append(self._id(str(quad.subject)))
            predicate.append(self._id(str(quad.predicate)))
            other.append(self._id(str(quad.object)))
            named = quad.graph_name
            graph.append(_DEFAULT if isinstance(named, DefaultGraph) else self._id(str(named)))
            if done % _EVERY == 0:
                advance(done)
        found = {terms.datatype(t) or f"<{terms.XSD}string>" for t in self._ids if t[0] == '"'}
        self._datatypes = [self._id(datatype) for datatype in sorted(found)]
        self._casts = [self._id(cast) for cast in terms.CASTS]

    def write(self, folder: Path) -> dict[str, int]:
        """Write the files of `Facts`; returns their counts for the manifest."""
        texts = sorted(self._ids)
        with StringWriter(folder, "terms") as writer:
            for text in texts:
                writer.append(text)
        place = np.empty(len(texts) + 1, np.int32)
        place[[self._ids[text] for text in texts]] = np.arange(len(texts), dtype=np.int32)
        place[_DEFAULT] = _DEFAULT
        subject, predicate, other, graph = (place[np.frombuffer(c, "i")] for c in self._columns)
        rows = Rows(subject, predicate, other)
        type_id = self._ids.get(terms.TYPE, -2)
        for role, ids in self._roles(rows, graph, place, int(place[type_id])):
            save_array(folder / f"role.{role}.npy", ids)
        is_default = graph == _DEFAULT
        kept = Rows(*(column[is_default] for column in rows))
        num_predicates = _write_orders(folder, kept, len(texts))
        counts = {"terms": len(texts), "triples": len(kept.subject), "quads": len(graph)}
        return {**counts, "predicates": num_predicates}

    def _roles(
        self, rows: Rows, graph: Numbers, place: Numbers, type_id: int
    ) -> Iterator[tuple[Role, Numbers]]:
        yield "subject", np.unique(rows.subject)
        yield "predicate", np.unique(rows.predicate)
        yield "object", np.unique(rows.object)
        yield "class", np.unique(rows.object[rows.predicate == type_id])
        yield "graph", np.unique(graph[graph != _DEFAULT])
        yield "datatype", np.sort(place[self._datatypes])
        yield "function", np.sort(place[self._casts])

    def _id(self, term: str) -> int:
        return self._ids.setdefault(term, len(self._ids))


def _write_orders(folder: Path, rows: Rows, num_terms: int) -> int:
    """Write the three orders and what each predicate joins; returns the number of predicates."""
    s, p, o = rows
    _write_order(folder, "s", num_terms, s, (("predicates", p), ("objects", o)))
    _write_order(folder, "o", num_terms, o, (("predicates", p), ("subjects", s)))
    save_array(folder / "s.ids.npy", np.unique(s))
    save_array(folder / "o.ids.npy", np.unique(o))
    names, places = np.unique(p, return_inverse=True)
    save_array(folder / "p.names.npy", names)
    group: Numbers = places.astype(np.int32)
    _write_order(folder, "p", len(names), group, (("subjects", s), ("objects", o)))
    for name, column in (("ps", s), ("po", o)):
        pairs = np.unique(group.astype(np.int64) * num_terms + column)
        _write_groups(folder, name, len(names), pairs // max(num_terms, 1))
        save_array(folder / f"{name}.ids.npy", (pairs % max(num_terms, 1)).astype(np.int32))
    return len(names)


def _write_order(
    folder: Path,
    name: str,
    num_groups: int,
    group: Numbers,
    columns: tuple[tuple[str, Numbers], tuple[str, Numbers]],
) -> None:
    """Write triples sorted by group, then by the two columns."""
    (_, first), (_, second) = columns
    order = np.lexsort((second, first, group))
    _write_groups(folder, name, num_groups, group)
    for column, values in columns:
        save_array(folder / f"{name}.{column}.npy", values[order])


def _write_groups(
    folder: Path, name: str, num_groups: int, group: NDArray[np.signedinteger]
) -> None:
    counts = np.bincount(group, minlength=num_groups)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    save_array(folder / f"{name}.offsets.npy", offsets)
