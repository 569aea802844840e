"""The names of a graph as tokens of one vocabulary: a trie, and which term each rank is.

    nodes.npy, tails.npy, tokens.npy   the trie (`trie.py`)
    terms.npy                          int32 [num_names], the term of each rank
    ranks.npy                          int32 [num_terms], the rank of each term; -1: it has no name

`a` is a second name of rdf:type, the one it has as a predicate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tether.graphs import Place, Ranks, Role
from tether.grounding.graph.facts import Facts, Ids
from tether.grounding.graph.terms import Shortener
from tether.grounding.graph.trie import Trie, write_trie
from tether.grounding.index.layout import Part
from tether.grounding.index.maker import Advance
from tether.grounding.index.strings import load_array, save_array

Encode = Callable[[str], Sequence[int]]
"""The canonical tokens of a text."""

_TYPE = "a"
_EVERY = 10_000
_NONE = -1
_SPARSE = 32


class Names:
    """The names of a part, over the vocabulary that they were cut with.

    Attributes:
        prefixes: Prefix -> namespace, of those that stand in a name.
    """

    def __init__(
        self, part: Part, facts: Facts, encode: Encode, aliases: Mapping[str, str] | None = None
    ) -> None:
        written = {name: iri[1:-1] for iri, name in (aliases or {}).items()}
        self.prefixes: dict[str, str] = {**part.facts["prefixes"], **written}
        self._type_rank: int | None = part.facts["a"]
        self._facts, self._encode = facts, encode
        self._trie = Trie(part.folder)
        self._terms = load_array(part.folder / "terms.npy", "int32", 1)
        self._ranks = load_array(part.folder / "ranks.npy", "int32", 1)
        self._write = Shortener(part.facts["prefixes"], aliases)
        self.start, self.step, self.ended = self._trie.start, self._trie.step, self._trie.ended
        self._kept: dict[str, Ranks] = {}

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._terms)

    def tokens(self, place: Place, among: Ranks) -> NDArray[np.int64]:
        """Tokens, int64 [n], by which at least one name of `among` goes on from `place`."""
        return self._trie.tokens(place, among)

    def text(self, rank: int) -> str:
        """The text of a name without the space before it."""
        if rank == self._type_rank:
            return _TYPE
        written = self._write.text(self._facts.terms[self.term(rank)])
        assert written is not None
        return written

    def rank(self, text: str) -> int | None:
        """The rank of the name with this text (no space before it)."""
        place: Place | None = self.start()
        for token in self._encode(f" {text}"):
            place = None if place is None else self.step(place, token)
        return None if place is None else self.ended(place)

    def term(self, rank: int) -> int:
        """The term that a rank names."""
        return int(self._terms[rank])

    def terms(self, ranks: Ranks) -> Ids:
        """The terms that some ranks name."""
        return np.unique(self._terms[ranks])

    def ranks(self, terms: Ids, *, as_predicate: bool = False) -> Ranks:
        """The names of those of some terms that have one, uint32 [n], ascending."""
        found = self._ranks[terms]
        if as_predicate and self._type_rank is not None:
            found[terms == self._terms[self._type_rank]] = self._type_rank
        found = found[found != _NONE]
        if len(found) * _SPARSE > len(self):  # sorts by counting
            is_one = np.zeros(len(self), np.bool_)
            is_one[found] = True
            return np.flatnonzero(is_one).astype(np.uint32)
        found.sort()
        return np.asarray(found, np.uint32)

    def of_role(self, role: Role) -> Ranks:
        """The names that occur in a role, in any graph."""
        return self.kept(role, self._facts.roles[role], as_predicate=role == "predicate")

    def kept(self, key: str, terms: Ids, *, as_predicate: bool = False) -> Ranks:
        """Like `ranks`; computed once for each key."""
        if key not in self._kept:
            self._kept[key] = self.ranks(terms, as_predicate=as_predicate)
        return self._kept[key]


def write_names(
    folder: Path, facts: Facts, writer: Shortener, encode: Encode, advance: Advance
) -> dict[str, Any]:
    """Write the files of `Names`; returns the facts for the manifest."""
    sequences: list[Sequence[int]] = []
    owners: list[int] = []
    for term, text in enumerate(facts.terms):
        written = writer.text(text)
        if written is not None:
            sequences.append(encode(f" {written}"))
            owners.append(term)
        if term % _EVERY == 0:
            advance(term)
    if facts.type_id is not None:
        sequences.append(encode(f" {_TYPE}"))
        owners.append(facts.type_id)
    order = write_trie(folder, sequences)
    terms = np.array(owners, np.int32)[order]
    save_array(folder / "terms.npy", terms)
    ranks = np.full(facts.num_terms, _NONE, np.int32)
    is_type = order == len(owners) - 1 if facts.type_id is not None else order < 0
    ranks[terms[~is_type]] = np.flatnonzero(~is_type)
    save_array(folder / "ranks.npy", ranks)
    type_rank = int(np.flatnonzero(is_type)[0]) if is_type.any() else None
    return {"names": len(terms), "a": type_rank, "prefixes": writer.used}
