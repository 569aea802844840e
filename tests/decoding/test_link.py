"""Links of a question to names of a graph, in the loop: what they mend and what they leave."""

from __future__ import annotations

from typing import Any

import pytest

from tether.decoding.grounds.ground import Given, Told
from tether.decoding.grounds.parse import bind_all, parse_all
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request, Sampling
from tether.errors import OutputError, UsageError
from tether.grammars.sparql import sparql
from tether.grounding.evidence import Source
from tether.grounding.graph.graph import Graph

FIND = "Find Heinrich Hoch's department."
"""The model takes the first word for a part of the name."""
WANTED = 'SELECT ?x WHERE { ?s rdfs:label "Heinrich Hoch" ; :worksIn ?x . }'


def sources(model: Model, graph: Graph | None, question: str, ground: str) -> tuple[Source, ...]:
    return bind_all(parse_all([ground]), Given(model, (Told(question, ()),), graph=graph))


def ask(model: Model, graph: Graph, question: str, ground: str, **more: Any) -> Request:
    look = graph.lookup(model.vocabulary.key, model.vocabulary.encode)
    return Request(
        key=f"{question} {ground}",
        prompt=encode(model, Prompt(question, query="anything")),
        constraint=sparql(model.vocabulary, graph=look, guarantee="adjacent"),
        max_tokens=96,
        sources=sources(model, graph, question, ground),
        **more,
    )


def texts(model: Model, *requests: Request, slots: int = 1) -> list[str]:
    found = {result.key: result.text for result in Loop(model, slots=slots).run(requests)}
    return [found[request.key] for request in requests]


def test_a_name_that_was_missed_is_said(model: Model, graph: Graph) -> None:
    (plain,) = texts(model, ask(model, graph, FIND, "link:0"))
    assert plain != WANTED
    assert texts(model, ask(model, graph, FIND, "link")) == [WANTED]


def test_without_a_mention_nothing_changes(model: Model, graph: Graph) -> None:
    assert sources(model, graph, "Which product is the cheapest?", "link") == ()
    assert sources(model, graph, FIND, "link:0") == ()
    assert sources(model, graph, "Ms Hoch?", "link,least=0.9") == ()
    assert sources(model, graph, "Ms Hoch?", "link,least=0.2") != ()


def test_there_has_to_be_a_graph(model: Model) -> None:
    with pytest.raises(UsageError, match="there is none") as caught:
        sources(model, None, FIND, "link")
    assert "--graph" in caught.value.hint


def test_a_folder_that_cannot_be_written_has_a_cure(
    model: Model, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("The graph cannot be written: Read-only file system.")

    monkeypatch.setattr("tether.grounding.graph.graph.has_mentions", lambda *_: False)
    monkeypatch.setattr("tether.grounding.graph.graph.add_mentions", full)
    with pytest.raises(OutputError, match="Read-only") as caught:
        sources(model, graph, FIND, "link")
    assert "link:0" in caught.value.hint


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_company_changes_nothing_and_the_constraint_holds(
    model: Model, graph: Graph, temperature: float
) -> None:
    sampling = Sampling(temperature=temperature, seed=5)
    rows = [
        ask(model, graph, FIND, "link", sampling=sampling),
        ask(model, graph, "How many products are made in Poland?", "link:300", sampling=sampling),
        ask(model, graph, "Lena and Vogel and Sales", "link:300,most=2", sampling=sampling),
        ask(model, graph, FIND, "link:0", sampling=sampling),
    ]
    together = texts(model, *rows, slots=4)
    for row, text in zip(rows, together, strict=True):
        assert texts(model, row) == [text]
        assert row.constraint is not None
        assert row.constraint.validate(text) is None


def test_vectors_of_the_model_find_names_too(model: Model, graph: Graph) -> None:
    (by_vectors,) = sources(model, graph, "Who is Heinrch Hooch?", "link,embedder=hidden")
    assert by_vectors is not None
