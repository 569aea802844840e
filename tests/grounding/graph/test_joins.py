"""Joins in pieces: their rows are those of the store, whatever the pieces and the plan."""

from __future__ import annotations

import random
from pathlib import Path

import graph_cases as cases
import numpy as np
import pytest

from tether.grounding.graph import joins
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.joins import Joiner, OverBudget
from tether.grounding.graph.reducer import Reducer
from tether.grounding.graph.shape import Pattern, cores, variables

ENDS = "xyzw"


def random_ring(rng: random.Random, predicates: list[int]) -> list[Pattern]:
    """Patterns over a few variables that are joined and in a cycle."""
    while True:
        middles: list[str | int] = [*predicates * 2, "p"]
        found: list[Pattern] = [
            (rng.choice(ENDS), rng.choice(middles), rng.choice(ENDS))
            for _ in range(rng.randint(2, 5))
        ]
        parts = cores(found)
        if parts:
            return parts[0]


@pytest.mark.parametrize("piece", [1, 3, 16_384])
@pytest.mark.parametrize("seed", range(3))
def test_rows_are_those_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, piece: int
) -> None:
    monkeypatch.setattr(joins, "_FIRST_PIECE", piece)
    monkeypatch.setattr(joins, "_MOST_PIECE", piece)
    graph = cases.made(tmp_path, cases.turtle(seed, nodes=9, predicates=3, triples=40))
    reducer, rng = Reducer(graph.facts), random.Random(seed)
    predicates = [int(p) for p in graph.facts.predicates]
    every = reducer.domain(np.arange(graph.facts.num_terms, dtype=np.int32))
    for _ in range(25):
        part = random_ring(rng, predicates)
        names = variables(part)
        tables = list(Joiner(reducer, 1 << 20).solutions(part, dict.fromkeys(names, every)))
        rows = {
            tuple(graph.facts.terms[int(term)] for term in row)
            for table in tables
            for row in zip(*(table[name] for name in names), strict=True)
        }
        assert rows == stored(graph, part, names), part
        assert sum(len(table[names[0]]) for table in tables) == len(rows)
    graph.close()


def stored(graph: Graph, part: list[Pattern], names: list[str]) -> set[tuple[str | None, ...]]:
    """The same by the store; blank nodes as it names them."""

    def term(one: str | int) -> str:
        return f"?{one}" if isinstance(one, str) else graph.facts.terms[one]

    body = " ".join(" ".join(map(term, pattern)) + " ." for pattern in part)
    shown = " ".join(f"?{name}" for name in names)
    return set(graph.rows(f"SELECT {shown} {{ {body} }}", Limits(rows=100_000)).rows)


def test_a_join_stops_at_its_budget(tmp_path: Path) -> None:
    lines = [f":n{i} :p :n{(i * k + 1) % 50} ." for i in range(50) for k in (3, 7)]
    graph = cases.made(tmp_path, "@prefix : <http://e/> .\n" + "\n".join(lines))
    reducer, (predicate,) = Reducer(graph.facts), graph.facts.predicates.tolist()
    part: list[Pattern] = [("x", predicate, "y"), ("y", predicate, "z"), ("z", predicate, "x")]
    every = reducer.domain(np.arange(graph.facts.num_terms, dtype=np.int32))
    with pytest.raises(OverBudget):
        list(Joiner(reducer, 20).solutions(part, dict.fromkeys("xyz", every)))
    joiner = Joiner(reducer, 10_000)
    list(joiner.solutions(part, dict.fromkeys("xyz", every)))
    assert 100 < joiner.spent < 1000
    graph.close()
