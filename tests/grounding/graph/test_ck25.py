"""A real company graph (CK25, 26,903 triples): gold queries run, random walks have solutions."""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import graph_cases as cases
import pytest

from tether.graphs import Candidates, Name, Position, Term, Triple, Variable
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.lookup import Lookup
from tether.grounding.graph.reading import Source

POSITIONS: tuple[Position, ...] = ("subject", "predicate", "object")
QUERY = re.compile(r"^      sparql: \|\n((?:        .*\n|\n)+)", re.MULTILINE)
WALKS, ALL_WALKS = 150, 3000


@pytest.fixture(scope="module")
def graph(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    path = tmp_path_factory.mktemp("ck25") / "g"
    build(path, Source(sorted((shared / "ck25").glob("*.ttl"))))
    made = Graph.open(path)
    yield made
    made.close()


def test_counts(graph: Graph) -> None:
    assert graph.facts.num_triples == 26_903
    assert len(graph.facts.predicates) == 50


def test_gold_queries_have_answers(graph: Graph, shared: Path) -> None:
    queries = QUERY.findall((shared / "ck25" / "questions.yml").read_text(encoding="utf-8"))
    assert len(queries) == 25
    for query in queries:
        answer = graph.rows(textwrap.dedent(query), Limits())
        assert answer.yes is not None or answer.rows, query


def test_random_walks_have_solutions(graph: Graph, whole: bool) -> None:
    """Nothing is chosen but what is offered; the store finds a solution after every triple."""
    look, rng, closed = cases.lookup(graph), random.Random(11), 0
    for _ in range(ALL_WALKS if whole else WALKS):
        scope, done = look.scope("nonempty"), list[Triple]()
        for _ in range(rng.randint(1, 4)):
            triple = random_triple(rng, look, scope.candidates, len(done))
            longer = None if triple is None else scope.add(triple)
            if triple is None or longer is None:
                closed += 1  # a cycle that no solution closes
                break
            done.append(triple)
            scope = longer
        assert scope.reached == "nonempty"
        assert not done or graph.oracle.ask(written(graph, look, done), 30) is True
    assert closed < WALKS // 10


def random_triple(rng: random.Random, look: Lookup, ask: object, number: int) -> Triple | None:
    assert callable(ask)
    triple = Triple()
    for position in POSITIONS:
        found: Candidates = ask(triple, position)
        pool: list[Term] = [Variable(name) for name in sorted(found.variables)]
        pool += [Variable(f"{position}{number}")] if found.fresh else []
        if len(found.ranks) and (not pool or rng.random() < 0.4 or position == "predicate"):
            pool = [Name(int(rng.choice(found.ranks)))]
        if not pool:
            return None
        triple = triple._replace(**{position: rng.choice(pool)})
    return triple


def written(graph: Graph, look: Lookup, triples: list[Triple]) -> str:
    def term(one: Term | None) -> str:
        assert one is not None
        if isinstance(one, Variable):
            return f"?{one.name}"
        return graph.facts.terms[look.names.term(one.rank)]

    return "ASK {" + " ".join(" ".join(map(term, triple)) + " ." for triple in triples) + "}"
