"""Queries over an endpoint: whole or by a summary, and where it says little or nothing."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import oxigraph_server
import pytest
import query_walks

from tether.errors import EvidenceError, UnavailableError
from tether.grammars.sparql import sparql
from tether.grammars.sparql.compile import GraphConstraint, is_open
from tether.grammars.vocabulary import Vocabulary
from tether.graphs import Name, Triple, Variable
from tether.grounding.graph import remote_scope, summary
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.remote import Endpoint
from tether.grounding.graph.remote_graph import RemoteGraph
from tether.grounding.graph.remote_scope import RemoteScope

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module", name="vocabulary")
def _vocabulary() -> Vocabulary:
    return Vocabulary.from_file(ROOT / "decoding/builtin/model")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = ROOT / "docs" / "examples" / "company.ttl"
    with oxigraph_server.oxigraph(tmp_path_factory.mktemp("server"), data) as found:
        yield found


@pytest.fixture
def part(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteGraph]:
    """A graph of which the summary holds but a part."""
    monkeypatch.setattr(summary, "MOST_TRIPLES", 8)
    graph = RemoteGraph.at(Endpoint(url), tmp_path)
    assert not graph.is_whole
    yield graph
    graph.close()


def test_a_small_graph_is_fetched_whole(url: str, tmp_path: Path, vocabulary: Vocabulary) -> None:
    graph = RemoteGraph.at(Endpoint(url), tmp_path)
    assert graph.is_whole
    assert graph.facts.num_triples == 682
    again = RemoteGraph.at(Endpoint(url), tmp_path)
    assert again.facts.part.digest == graph.facts.part.digest
    constraint = sparql(vocabulary, graph=graph.lookup(vocabulary.key, vocabulary.encode))
    assert isinstance(constraint, GraphConstraint)
    text = query_walks.query(constraint, 1)
    assert constraint.validate(text) is None
    graph.close()


def test_random_queries_over_a_part_return_rows(part: RemoteGraph, vocabulary: Vocabulary) -> None:
    """Joins reach into what the summary lacks; the endpoint has the last word."""
    constraint = sparql(vocabulary, graph=part.lookup(vocabulary.key, vocabulary.encode))
    assert isinstance(constraint, GraphConstraint)
    forced = 0
    for seed in range(4):
        text = query_walks.query(constraint, seed, 60)
        assert constraint.validate(text) is None, text
        if not is_open(text):
            forced += 1
            assert constraint.verdict(text).reached == "nonempty", text
            assert part.endpoint.ask(constraint.declared(text), 10) is True, text
    assert forced


def test_what_is_offered_is_what_the_endpoint_finds(
    part: RemoteGraph, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    look = part.lookup(vocabulary.key, vocabulary.encode)
    scope = look.scope("nonempty")
    assert isinstance(scope, RemoteScope)
    predicates = look.role("predicate")
    dice = random.Random(1)
    for rank in dice.sample(predicates.tolist(), 5):
        triple = Triple(Variable("x"), Name(rank), None)
        found = scope.candidates(triple, "object")
        assert found.fresh
        for other in found.ranks.tolist()[:3]:
            assert scope.add(triple._replace(object=Name(other))) is not None
    nowhere = Triple(Variable("x"), Name(int(predicates[0])), Name(int(predicates[0])))
    assert scope.add(nowhere) is None


def test_variables_are_narrowed(part: RemoteGraph, vocabulary: Vocabulary) -> None:
    look = part.lookup(vocabulary.key, vocabulary.encode)
    scope = look.scope("nonempty")
    kinds = look.role("class")
    a = look.names.rank("a")
    assert a is not None
    longer = scope.add(Triple(Variable("x"), Name(a), Variable("c")))
    assert longer is not None
    domain = longer.domain("c")
    assert domain is not None
    assert set(kinds.tolist()) <= set(domain.tolist())
    assert longer.domain("other") is None
    narrow = longer.restrict("c", kinds[:1])
    assert narrow is not None
    assert narrow.restrict("c", kinds[1:2]) is None
    assert narrow.restrict("x", look.role("predicate")[:1]) is None


def test_too_many_candidates_are_not_fetched(
    part: RemoteGraph, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_scope, "MOST_CANDIDATES", 1)
    look = part.lookup(vocabulary.key, vocabulary.encode)
    found = look.scope("nonempty").candidates(Triple(), "subject")
    assert np.array_equal(found.ranks, look.role("subject"))


def test_an_endpoint_that_falls_silent_is_told(
    part: RemoteGraph, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = part.lookup(vocabulary.key, vocabulary.encode)
    monkeypatch.setattr(Endpoint, "rows", _unavailable)
    scope = look.scope("nonempty")
    found = scope.candidates(Triple(), "predicate")
    assert np.array_equal(found.ranks, look.role("predicate"))
    longer = scope.add(Triple(Variable("x"), Name(int(found.ranks[0])), Variable("y")))
    assert longer is not None
    assert longer.reached == "vocabulary"
    assert "did not say in time" in longer.reason
    constraint = sparql(vocabulary, graph=look)
    assert isinstance(constraint, GraphConstraint)
    verdict = constraint.verdict("SELECT ?x WHERE { ?x a ?y }")
    assert verdict.is_late


def _unavailable(self: Endpoint, query: str, limits: Limits) -> None:
    raise UnavailableError("Nobody is there.")


def test_a_summary_is_made_anew_after_a_day(url: str, tmp_path: Path) -> None:
    endpoint = Endpoint(url)
    folder, _ = summary.summary(endpoint, tmp_path)
    first = Graph.open(folder).manifest
    os.utime(folder / "summary.json", (0, 0))
    summary.summary(endpoint, tmp_path)
    assert (folder / "summary.json").stat().st_mtime > 1
    assert Graph.open(folder).manifest.parts.keys() == first.parts.keys()


def test_nothing_and_nobody(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be asked"):
        RemoteGraph.at(Endpoint("http://127.0.0.1:1/"), tmp_path)
    empty = tmp_path / "empty.nt"
    empty.write_text("")
    with (
        oxigraph_server.oxigraph(tmp_path, empty) as url,
        pytest.raises(EvidenceError, match="holds no triples"),
    ):
        RemoteGraph.at(Endpoint(url), tmp_path)
