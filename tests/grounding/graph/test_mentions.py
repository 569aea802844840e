"""Which names of a graph a question mentions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.reading import Source
from tether.grounding.graph.verify import verify
from tether.grounding.index.embed import Vectors
from tether.grounding.index.maker import Silent

TURTLE = """
@prefix : <http://e/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:Person rdfs:label "person" .
:knows rdfs:label "is acquainted with" .
:Q1 a :Person ; rdfs:label "Karen Brant" ; :knows :Q2 .
:Q2 a :Person ; rdfs:label "Karen Holt" ; :place "Nort" .
:Q3 rdfs:label "Nort Bay"@en ; :knows :lonelyWarehouse-7 ; :size 12 .
:Q4 rdfs:label "Transistor" .
:Q5 rdfs:label "Państwo Wałęsa" .
"""


@pytest.fixture(scope="module", name="graph")
def _graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    folder = tmp_path_factory.mktemp("mentions")
    (folder / "kg.ttl").write_text(TURTLE)
    build(folder / "kg", Source([folder / "kg.ttl"]))
    graph = Graph.open(folder / "kg")
    yield graph
    graph.close()


def found(graph: Graph, question: str) -> list[tuple[str, float]]:
    return [(m.text, round(m.score, 2)) for m in graph.mentions().find(question, 16)]


def named(graph: Graph, question: str) -> list[str | None]:
    best = graph.mentions().find(question, 1)[0]
    return [graph.writer().text(graph.facts.terms[term]) for term in best.terms]


def test_a_label_names_itself_and_what_it_labels(graph: Graph) -> None:
    assert named(graph, "Who knows Karen Brant?") == ['"Karen Brant"', ":Q1"]
    assert named(graph, "Is it in nort BAY?") == ['"Nort Bay"@en', ":Q3"]


def test_who_says_more_of_the_same_words_is_meant(graph: Graph) -> None:
    (best, score), (other, less) = found(graph, "Who knows Karen Brant?")
    assert (best, score, other) == ("Karen Brant", 1.0, "Karen Holt")
    assert less < 0.3
    assert found(graph, "What lies at Nort Bay?")[0] == ("Nort Bay", 1.0)
    assert dict(found(graph, "What lies at Nort?"))["Nort"] == 1.0


def test_a_part_of_a_label_counts_by_its_letters(graph: Graph) -> None:
    assert found(graph, "Ms. Brant?") == [("Karen Brant", 0.5)]
    assert dict(found(graph, "Who is Karen?")).keys() == {"Karen Brant", "Karen Holt"}


@pytest.mark.parametrize("word", ["transistors", "Transistor", "Transistoren"])
def test_endings_may_differ(graph: Graph, word: str) -> None:
    assert found(graph, f"Who makes {word}?") == [("Transistor", 1.0)]


def test_what_has_no_label_is_named_by_its_iri(graph: Graph) -> None:
    assert named(graph, "Where is the lonely warehouse 7?") == [":lonelyWarehouse-7"]


def test_words_about_the_vocabulary_are_no_mentions(graph: Graph) -> None:
    assert found(graph, "Which person is acquainted with 12?") == []


def test_any_language_and_any_text(graph: Graph) -> None:
    assert found(graph, "państwo WAŁĘSA") == [("Państwo Wałęsa", 1.0)]
    assert found(graph, "") == found(graph, "?! \n") == found(graph, "\ud83d\ude00") == []


def test_it_is_made_once(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.mentions()
    monkeypatch.setattr("tether.grounding.graph.graph.add_mentions", None)
    assert Graph.open(graph.path).mentions().find("Karen Brant", 1)[0].score == 1.0


def test_first_uses_at_once_wait_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "kg.ttl").write_text(TURTLE)
    build(tmp_path / "kg", Source([tmp_path / "kg.ttl"]))
    begin = Barrier(4)

    def use(_: int) -> float:
        graph = Graph.open(tmp_path / "kg")
        begin.wait()
        graph.lookup("k" * 64, lambda text: [ord(character) for character in text])
        return graph.mentions().find("Karen Brant", 1)[0].score

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(4))) == [1.0] * 4
    verify(tmp_path / "kg", Silent())


class Letters:
    """Vectors of how often each letter stands in a text."""

    name, fingerprint, width, learned = "letters", "f", 26, True

    def embed(self, texts: Sequence[str], *, question: bool = False) -> Vectors:
        rows = [[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts]
        vectors = np.array(rows, np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1), np.float32)


def test_vectors_find_what_words_do_not(tmp_path: Path) -> None:
    (tmp_path / "kg.ttl").write_text(TURTLE)
    build(tmp_path / "kg", Source([tmp_path / "kg.ttl"]))
    graph = Graph.open(tmp_path / "kg")
    assert graph.mentions().find("Who is Karne Brnat?", 4) == []
    graph = Graph.open(tmp_path / "kg")
    best = graph.mentions(Letters()).find("Who is Karne Brnat?", 1, Letters())[0]
    assert best.text == "Karen Brant"
    assert best.score > 0.99
