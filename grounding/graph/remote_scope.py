"""Conjunctions of triple patterns over an endpoint: each slot and each pattern is asked of it.

Names are those of the endpoint's summary. What may stand at a place is asked for with a limit;
where there is more, every name of the position's role is offered, and the pattern is asked about
once it is whole. What the endpoint does not say in time lowers the level, and that is told.

See the protocol `tether.grammars.sparql.lookup.Scope`, which `RemoteScope` satisfies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tether.graphs import Candidates, Level, Name, Position, Ranks, Role, Term, Triple, Variable
from tether.grounding.graph.facts import Facts
from tether.grounding.graph.names import Names

MOST_CANDIDATES = 1000
"""Of a place; more are not fetched."""
_MOST_BOUND = 200
_POSITIONS: tuple[Position, ...] = ("subject", "predicate", "object")


@dataclass(frozen=True, slots=True)
class RemoteGround:
    """What all scopes of an endpoint share.

    Attributes:
        facts: Of the summary.
        names: Of the summary.
        terms: The first column of a query, as N-Triples; None: not known in time.
        ask: Whether a query has a row; None: not known in time.
    """

    facts: Facts
    names: Names
    terms: Callable[[str], Sequence[str] | None]
    ask: Callable[[str], bool | None]

    def ranks(self, texts: Sequence[str], position: Position) -> Ranks:
        """The names of those terms that the summary has."""
        ids = filter(lambda term: term is not None, map(self.facts.id, texts))
        found = np.unique(np.array(list(ids), np.int32))
        return self.names.ranks(found, as_predicate=position == "predicate")


@dataclass(frozen=True, slots=True)
class RemoteScope:
    """Patterns of which each has a match: alone, or together with all added before.

    Attributes:
        joined: Whether they must match together.
        triples: The patterns so far.
        bounds: What variables were restricted to, other than by patterns.
    """

    ground: RemoteGround
    joined: bool
    reached: Level
    reason: str = ""
    triples: tuple[Triple, ...] = ()
    bounds: Mapping[str, Ranks] = field(default_factory=dict)

    def candidates(self, triple: Triple, position: Position) -> Candidates:
        """What the endpoint finds there; every name of the role where that is too much to say."""
        known = frozenset(name for said in (*self.triples, triple) for name in _variables(said))
        known |= frozenset(self.bounds)
        triple = triple._replace(**{position: Variable("\ncandidate")})
        found = self._terms(triple, "\ncandidate")
        if found is None:
            return Candidates(self.ground.names.of_role(self._role(triple, position)), known, True)
        return Candidates(
            self.ground.ranks(found, position), known if found else frozenset(), bool(found)
        )

    def add(self, triple: Triple) -> RemoteScope | None:
        """This scope and a complete triple; None where it has no solution."""
        answer = self.ground.ask(f"ASK {self._where(triple)[0]}")
        if answer is False:
            return None
        here = replace(self, triples=(*self.triples, triple))
        return here if answer else here._in_doubt()

    def domain(self, variable: str) -> Ranks | None:
        """The names that the endpoint finds for a variable; all of them where there are many."""
        if variable in self.bounds:
            return self.bounds[variable]
        around = next((t for t in self.triples if variable in _variables(t)), None)
        if around is None:
            return None
        found = self._terms(around, variable)
        if found is None:
            return np.arange(len(self.ground.names), dtype=np.uint32)
        return self.ground.ranks(found, "object")

    def restrict(self, variable: str, ranks: Ranks) -> RemoteScope | None:
        """This scope where a variable stands for one of `ranks`; None where it has no solution."""
        ranks = np.intersect1d(ranks, self.bounds.get(variable, ranks))
        if not len(ranks):
            return None
        here = replace(self, bounds={**self.bounds, variable: ranks})
        around = next((t for t in self.triples if variable in _variables(t)), None)
        if around is None:
            return here
        answer = self.ground.ask(f"ASK {here._where(around)[0]}")
        if answer is False:
            return None
        return here if answer else here._in_doubt()

    def _in_doubt(self) -> RemoteScope:
        reason = "the endpoint did not say in time whether the patterns have a solution"
        return replace(self, reached="vocabulary", reason=self.reason or reason)

    def _terms(self, around: Triple, variable: str) -> Sequence[str] | None:
        """What a variable can stand for; None where that is too much or not said in time."""
        body, written = self._where(around)
        query = f"SELECT DISTINCT {written[variable]} {body} LIMIT {MOST_CANDIDATES + 1}"
        found = self.ground.terms(query)
        return None if found is None or len(found) > MOST_CANDIDATES else found

    def _where(self, around: Triple) -> tuple[str, Mapping[str, str]]:
        """The patterns joined to one as a group, and how its variables are written there."""
        triples = _joined(around, self.triples) if self.joined else [around]
        names = dict.fromkeys(name for triple in triples for name in _variables(triple))
        written = {name: f"?v{number}" for number, name in enumerate(names)}
        lines = [self._values(name, written[name]) for name in names if name in self.bounds]
        for number, triple in enumerate(triples):
            ends = zip(triple, _POSITIONS, strict=True)
            texts = (self._term(t, written, f"?{p}{number}") for t, p in ends)
            lines.append(" ".join(texts) + " .")
        return "{ " + " ".join(lines) + " }", written

    def _values(self, name: str, written: str) -> str:
        """The bounds of a variable; none where they are too many to send."""
        ranks = self.bounds[name]
        if len(ranks) > _MOST_BOUND:
            return ""
        return f"VALUES {written} {{ {' '.join(self._text(int(rank)) for rank in ranks)} }}"

    def _term(self, term: Term | None, written: Mapping[str, str], fresh: str) -> str:
        if term is None:
            return fresh
        return self._text(term.rank) if isinstance(term, Name) else written[term.name]

    def _text(self, rank: int) -> str:
        return self.ground.facts.terms[self.ground.names.term(rank)]

    def _role(self, triple: Triple, position: Position) -> Role:
        named = triple.predicate
        is_type = isinstance(named, Name) and self.ground.names.term(named.rank) == (
            self.ground.facts.type_id
        )
        return "class" if position == "object" and is_type else position


def _variables(triple: Triple) -> list[str]:
    return [term.name for term in triple if isinstance(term, Variable)]


def _joined(around: Triple, triples: Sequence[Triple]) -> list[Triple]:
    """The triples that variables join to one, itself first: what else there is decides nothing."""
    found, left = [around], [triple for triple in triples if triple != around]
    for one in found:
        more = [t for t in left if set(_variables(t)) & set(_variables(one))]
        found += more
        left = [t for t in left if t not in more]
    return found
