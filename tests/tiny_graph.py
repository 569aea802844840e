"""A graph of a few triples that answers the SPARQL matcher by trying everything.

The reference for masks: nothing here is clever. Terms are texts as queries write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyoxigraph

from tether.grammars.sparql.lookup import (
    Candidates,
    Level,
    Name,
    Place,
    Position,
    Ranks,
    Role,
    Term,
    Triple,
    Variable,
)
from tether.grammars.vocabulary import Vocabulary

TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
Fact = tuple[str, str, str]
Solution = Mapping[str, str]


class TinyNames:
    """Names as sorted token sequences; a place is a prefix's interval."""

    def __init__(self, texts: Sequence[str], vocabulary: Vocabulary) -> None:
        cut = {text: tuple(vocabulary.encode(f" {text}")) for text in texts}
        self.texts = sorted(cut, key=cut.__getitem__)
        self._tokens = [cut[text] for text in self.texts]

    def start(self) -> Place:
        """Depth 0, all ranks."""
        return Place(0, 0, len(self.texts))

    def tokens(self, place: Place, among: Ranks) -> npt.NDArray[np.int64]:
        """The tokens at the place's depth."""
        depth, low, high = place
        ranks = [rank for rank in among.tolist() if low <= rank < high]
        found = {self._tokens[rank][depth] for rank in ranks if len(self._tokens[rank]) > depth}
        return np.array(sorted(found), np.int64)

    def step(self, place: Place, token: int) -> Place | None:
        """One deeper."""
        depth, low, high = place
        fits = [
            rank
            for rank in range(low, high)
            if len(self._tokens[rank]) > depth and self._tokens[rank][depth] == token
        ]
        return Place(depth + 1, fits[0], fits[-1] + 1) if fits else None

    def ended(self, place: Place) -> int | None:
        """The name that has just these tokens."""
        depth, low, high = place
        return next((r for r in range(low, high) if len(self._tokens[r]) == depth), None)

    def text(self, rank: int) -> str:
        """The text."""
        return self.texts[rank]

    def rank(self, text: str) -> int | None:
        """The place in the order."""
        return self.texts.index(text) if text in self.texts else None


class TinyGraph:
    """A `GraphLookup` over a few facts; `a` stands for rdf:type as a predicate."""

    def __init__(
        self, facts: Sequence[Fact], vocabulary: Vocabulary, prefixes: Mapping[str, str]
    ) -> None:
        self.key = repr((sorted(facts), vocabulary.key))
        self.prefixes = dict(prefixes)
        self.facts = tuple(facts)
        self.names = TinyNames(sorted({term for fact in facts for term in fact}), vocabulary)

    @cached_property
    def _store(self) -> pyoxigraph.Store:
        store = pyoxigraph.Store()
        prefixes = "".join(f"PREFIX {name}: <{iri}>\n" for name, iri in self.prefixes.items())
        rows = " ".join(f"{s} {p} {o} ." for s, p, o in self.facts)
        store.update(f"{prefixes} INSERT DATA {{ {rows} }}")
        return store

    def ranks(self, texts: set[str]) -> Ranks:
        """Texts as ranks."""
        found = [rank for rank, text in enumerate(self.names.texts) if text in texts]
        return np.array(found, np.uint32)

    def role(self, role: Role) -> Ranks:
        """The names of a role."""
        if role in ("subject", "predicate", "object"):
            place = ("subject", "predicate", "object").index(role)
            return self.ranks({fact[place] for fact in self.facts})
        classes = {o for _, p, o in self.facts if p == "a"} if role == "class" else set[str]()
        return self.ranks(classes)

    def scope(self, level: Level) -> TinyScope:
        """Nothing said yet."""
        return TinyScope(self, level)

    def ask(self, query: str) -> bool | None:
        """Ask a real store."""
        found = self._store.query(query)
        if isinstance(found, pyoxigraph.QueryBoolean):
            return bool(found)
        return next(iter(found), None) is not None

    def refusal(self, query: str) -> str | None:
        """The parser's word."""
        try:
            self._store.query(query)
        except SyntaxError as error:
            return str(error)
        return None


@dataclass(frozen=True)
class TinyScope:
    """A conjunction, solved by trying all facts for all triples."""

    graph: TinyGraph
    reached: Level
    reason: str = ""
    triples: tuple[Triple, ...] = ()
    bounds: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def candidates(self, triple: Triple, position: Position) -> Candidates:
        """Try each name and each variable."""
        if self.reached == "vocabulary":
            return self._of_role(triple, position)
        known = {
            t.name for said in (*self.triples, triple) for t in said if isinstance(t, Variable)
        }
        known |= set(self.bounds)
        ranks = [
            rank
            for rank in range(len(self.graph.names.texts))
            if self._holds(triple._replace(**{position: Name(rank)}))
        ]
        names = {
            name for name in known if self._holds(triple._replace(**{position: Variable(name)}))
        }
        fresh = self._holds(triple._replace(**{position: Variable("\nnew")}))
        return Candidates(np.array(ranks, np.uint32), frozenset(names), fresh)

    def add(self, triple: Triple) -> TinyScope | None:
        """Keep it, where a solution is left."""
        if self.reached != "vocabulary" and not self._holds(triple):
            return None
        return replace(self, triples=(*self.triples, triple))

    def domain(self, variable: str) -> Ranks | None:
        """The values in all solutions."""
        if not any(Variable(variable) in triple for triple in self.triples):
            return self.graph.ranks(set(self.bounds[variable])) if variable in self.bounds else None
        if self.reached != "nonempty":
            return np.arange(len(self.graph.names.texts), dtype=np.uint32)
        values = {found[variable] for found in self._solutions(self.triples)}
        return self.graph.ranks(values)

    def restrict(self, variable: str, ranks: Ranks) -> TinyScope | None:
        """Bound the values."""
        texts = frozenset(self.graph.names.text(rank) for rank in ranks.tolist())
        texts &= self.bounds.get(variable, texts)
        after = replace(self, bounds={**self.bounds, variable: texts})
        if self.reached == "nonempty" and not any(True for _ in after._solutions(self.triples)):
            return None
        return after if texts else None

    def _of_role(self, triple: Triple, position: Position) -> Candidates:
        known = {
            t.name for said in (*self.triples, triple) for t in said if isinstance(t, Variable)
        }
        named = triple.predicate
        is_type = isinstance(named, Name) and self.graph.names.text(named.rank) == "a"
        role: Role = "class" if is_type and position == "object" else position
        return Candidates(self.graph.role(role), frozenset(known), True)

    def _holds(self, triple: Triple) -> bool:
        joined = (*self.triples, triple) if self.reached == "nonempty" else (triple,)
        return any(True for _ in self._solutions(joined))

    def _solutions(self, triples: Sequence[Triple]) -> Iterator[Solution]:
        found: list[dict[str, str]] = [{}]
        for number, triple in enumerate(triples):
            found = [more for one in found for more in self._matches(triple, one, number)]
        yield from (one for one in found if self._is_within(one))

    def _matches(self, triple: Triple, bound: Solution, number: int) -> Iterator[dict[str, str]]:
        for fact in self.graph.facts:
            more = dict(bound)
            if all(
                self._fits(t, text, more, number, i)
                for i, (t, text) in enumerate(zip(triple, fact, strict=True))
            ):
                yield more

    def _fits(self, term: Term | None, text: str, bound: dict[str, str], row: int, at: int) -> bool:
        text = TYPE if text == "a" else text
        if isinstance(term, Name):
            said = self.graph.names.text(term.rank)
            return text == (TYPE if said == "a" else said)
        name = term.name if isinstance(term, Variable) else f"\n{row} {at}"
        return bound.setdefault(name, text) == text

    def _is_within(self, one: Solution) -> bool:
        return all(one[name] in texts for name, texts in self.bounds.items() if name in one)


def _variables(*triples: Triple) -> set[str]:
    return {term.name for said in triples for term in said if isinstance(term, Variable)}
