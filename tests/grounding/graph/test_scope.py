"""What scopes offer and refuse, against the store's answers to the same questions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import graph_cases as cases
import numpy as np
import pytest

from tether.grammars.sparql.lookup import GraphLookup, Scope
from tether.graphs import LEVELS, Candidates, Level, Name, Position, Term, Triple, Variable
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.scope import MOST_ROWS

POSITIONS: tuple[Position, ...] = ("subject", "predicate", "object")
VARIABLES = tuple("xyzstuvwk")


class Store:
    """Brute force: the same questions as queries."""

    def __init__(self, graph: Graph, look: GraphLookup) -> None:
        self.graph, self.look = graph, look

    def holds(self, triples: list[Triple]) -> bool:
        return self.graph.oracle.rows(f"ASK {{ {self._body(triples)} }}", Limits()).yes is True

    def names(self, triples: list[Triple], last: Triple, position: Position) -> set[str]:
        open_one = last._replace(**{position: Variable("open")})
        body = self._body([*triples, open_one])
        rows = self.graph.oracle.rows(f"SELECT DISTINCT ?open {{ {body} }}", Limits()).rows
        return {row[0] for row in rows if row[0] and not row[0].startswith("_:")}

    def _body(self, triples: list[Triple]) -> str:
        return " ".join(
            " ".join(self._term(t, f"?f{i}{j}") for j, t in enumerate(triple)) + " ."
            for i, triple in enumerate(triples)
        )

    def _term(self, term: Term | None, fresh: str) -> str:
        if term is None:
            return fresh
        return f"?{term.name}" if isinstance(term, Variable) else self.full(term.rank)

    def full(self, rank: int) -> str:
        look = self.look.names
        assert hasattr(look, "term")
        return str(self.graph.facts.terms[look.term(rank)])


@pytest.fixture
def built(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Graph]:
    graph = cases.made(tmp_path, cases.turtle(request.param, nodes=7, predicates=3, triples=22))
    yield graph
    graph.close()


def random_term(
    rng: random.Random, found: Candidates, share: float, taken: set[str]
) -> Term | None:
    """A name or a variable among the candidates; a fresh one is none of those that are taken."""
    names = [Name(int(rank)) for rank in found.ranks]
    variables: list[Term] = [Variable(name) for name in found.variables]
    fresh = [name for name in VARIABLES if name not in taken]
    if found.fresh and fresh:
        variables.append(Variable(fresh[0]))
    pool = variables if variables and (rng.random() < share or not names) else names
    return rng.choice(pool) if pool else None


def is_cyclic(triples: list[Triple]) -> bool:
    """Whether triples and the variables that they share are more than a forest: union-find."""
    group: dict[str, str] = {}

    def root(name: str) -> str:
        return root(group[name]) if name in group else name

    for number, triple in enumerate(triples):
        for name in {term.name for term in triple if isinstance(term, Variable)}:
            one, other = root(f"triple {number}"), root(name)
            if one == other:
                return True
            group[one] = other
    return False


def known(scope: Scope) -> set[str]:
    return {name for name in VARIABLES if scope.domain(name) is not None}


@pytest.mark.parametrize("level", ["adjacent", "nonempty"])
@pytest.mark.parametrize("built", range(4), indirect=True)
def test_candidates_are_those_of_brute_force(built: Graph, level: Level) -> None:
    """Names and variables at every position of every triple of random walks.

    Where triples form a cycle, more may be offered: `add` is exact then.
    """
    look: GraphLookup = cases.lookup(built)
    store, rng = Store(built, look), random.Random(7)
    for _ in range(8):
        scope = look.scope(level)
        done: list[Triple] = []
        for _ in range(3):
            assert scope is not None
            context = done if level == "nonempty" else []
            triple = Triple()
            for position in rng.sample(POSITIONS, 3):
                found = scope.candidates(triple, position)
                wanted = store.names(context, triple, position)
                offered = {store.full(int(rank)) for rank in found.ranks}
                assert offered >= wanted
                if not is_cyclic([*context, triple]):
                    assert offered == wanted
                for name in known(scope):
                    bound = triple._replace(**{position: Variable(name)})
                    fits, closes = store.holds([*context, bound]), is_cyclic([*context, bound])
                    assert (name in found.variables) == fits or (closes and not fits)
                own = {t.name for t in triple if isinstance(t, Variable)}
                term = random_term(rng, found, 0.7, own | known(scope))
                if term is None:
                    assert is_cyclic([*context, triple]), "nothing fits where something did"
                    break
                triple = triple._replace(**{position: term})
            if None in triple:
                break
            done.append(triple)
            longer = scope.add(triple)
            if longer is None:
                assert is_cyclic(done)
                assert not store.holds(done)
                break
            scope = longer


@pytest.mark.parametrize("most_rows", [MOST_ROWS, 60, 0])
@pytest.mark.parametrize("built", range(4, 7), indirect=True)
def test_add_is_exact(built: Graph, most_rows: int) -> None:
    """Random triples, cycles among them: added where and only where the store finds a solution.

    Whatever the budget: joined as a whole, piece by piece, or by the store.
    """
    look: GraphLookup = built.lookup("b" * 64, cases.encode, most_rows=most_rows)
    store, rng, refused = Store(built, look), random.Random(3), 0
    names = [Name(int(rank)) for rank in look.role("subject")]
    predicates = [Name(int(rank)) for rank in look.role("predicate")]
    for _ in range(60):
        scope: Scope | None = look.scope("nonempty")
        done: list[Triple] = []
        while scope is not None and len(done) < 5:
            ends: list[Term] = [
                rng.choice(names) if rng.random() < 0.15 else Variable(rng.choice("xyz"))
                for _ in range(2)
            ]
            middle: Term = Variable("p") if rng.random() < 0.1 else rng.choice(predicates)
            done.append(Triple(ends[0], middle, ends[1]))
            scope = scope.add(done[-1])
            assert (scope is not None) == store.holds(done), done
        refused += scope is None
    assert refused


UNSATISFIABLE = """@prefix : <http://e/> .
:a1 :p :b1 . :a2 :p :b2 .
:b1 :q :c1 . :b2 :q :c2 .
:c1 :r :a2 . :c2 :r :a1 .
"""


def test_arc_consistent_but_unsatisfiable(tmp_path: Path) -> None:
    """A triangle of p, q and r through which no walk closes, though every edge has neighbours."""
    graph = cases.made(tmp_path, UNSATISFIABLE)
    look: GraphLookup = cases.lookup(graph)
    edges = [("x", "p", "y"), ("y", "q", "z"), ("z", "r", "x")]
    for most_rows in (1000, 0):  # by the index, and by the store where the index may try nothing
        scope: Scope | None = graph.lookup("b" * 64, cases.encode, most_rows=most_rows).scope(
            "nonempty"
        )
        for number, (one, p, other) in enumerate(edges):
            rank = look.names.rank(f":{p}")
            assert scope is not None
            assert rank is not None
            scope = scope.add(Triple(Variable(one), Name(rank), Variable(other)))
            assert (scope is None) == (number == 2)
    graph.close()


def test_restriction_holds_in_the_store_too(tmp_path: Path) -> None:
    """VALUES before patterns: the cycle has solutions, but none within the restriction."""
    text = UNSATISFIABLE + ":c1 :r :a1 ."
    graph = cases.made(tmp_path, text)
    look = graph.lookup("b" * 64, cases.encode, most_rows=0)
    names = {n: look.names.rank(f":{n}") for n in ("a1", "a2", "p", "q", "r")}
    for start, wanted in (("a1", True), ("a2", False)):
        rank = names[start]
        assert rank is not None
        scope: Scope | None = look.scope("nonempty").restrict("x", np.array([rank], np.uint32))
        for one, p, other in (("x", "p", "y"), ("y", "q", "z"), ("z", "r", "x")):
            predicate = names[p]
            assert predicate is not None
            scope = scope and scope.add(Triple(Variable(one), Name(predicate), Variable(other)))
        assert (scope is not None) == wanted
    graph.close()


def test_a_check_that_costs_too_much_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = cases.made(tmp_path, cases.turtle(5, nodes=7, predicates=1, triples=25))
    look = graph.lookup("b" * 64, cases.encode, most_rows=0)
    monkeypatch.setattr(graph.oracle, "ask", lambda query, seconds: None)
    rank = look.names.rank(":p0")
    assert rank is not None
    scope: Scope | None = look.scope("nonempty")
    for one, other in (("x", "y"), ("y", "z"), ("z", "x")):
        scope = scope and scope.add(Triple(Variable(one), Name(rank), Variable(other)))
    assert scope is not None
    assert scope.reached == "adjacent"
    assert "3 joined patterns" in scope.reason


def test_vocabulary_offers_roles(tmp_path: Path) -> None:
    graph = cases.made(tmp_path, "@prefix : <http://e/> . :s a :C ; :p :o, 5 .")
    look: GraphLookup = cases.lookup(graph)
    scope = look.scope("vocabulary")
    a = look.names.rank("a")
    assert a is not None

    def offered(triple: Triple, position: Position) -> set[str]:
        return {look.names.text(int(r)) for r in scope.candidates(triple, position).ranks}

    assert offered(Triple(), "subject") == {":s"}
    assert offered(Triple(), "predicate") == {"a", ":p"}
    assert offered(Triple(), "object") == {":C", ":o", "5"}
    assert offered(Triple(predicate=Name(a)), "object") == {":C"}
    assert [scope.reached for scope in map(look.scope, LEVELS[1:])] == list(LEVELS[1:])
