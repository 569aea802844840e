"""The example graph under other names, questions over it, and what answers are worth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tether.decoding import models
from tether.decoding.builtin.asked import ask, f1
from tether.decoding.builtin.example_graph import World, example_world, gold, renamed_world
from tether.decoding.builtin.generator.example import Split
from tether.decoding.builtin.generator.names import side_of
from tether.grounding.graph.answer import Answer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = renamed_world(tmp_path_factory.mktemp("world") / "w", "3", Split("test"))
    yield found
    found.graph.close()


def test_only_names_change(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    same = example_world(tmp_path_factory.mktemp("same") / "w")
    assert world.graph.facts.num_triples == same.graph.facts.num_triples
    assert {kind: len(names) for kind, names in world.labels.items()} == {
        kind: len(names) for kind, names in same.labels.items()
    }
    names = [name for labels in world.labels.values() for name in labels]
    assert len(set(names)) == len(names)
    known = {name for labels in same.labels.values() for name in labels}
    assert {name for name in names if name in known} <= set(world.labels["Department"])
    assert {side_of(name) for name in world.labels["Department"]} == {"test"}
    same.graph.close()


def test_questions_have_answers(world: World) -> None:
    asked = world.questions("q", 40, Split("test", 1.0))
    assert asked == world.questions("q", 40, Split("test", 1.0))
    assert len({example.text for example in asked}) == 40
    for example in asked:
        answer = world.run(gold(example))
        assert answer is not None
        assert answer.rows or answer.yes is not None
    assert world.run("SELECT ?x WHERE {") is None


def test_links_bring_no_error_into_what_is_right(world: World) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    asked = world.questions("r", 12, Split("test"))
    done = ask(models.load(dtype="float32"), world, asked, "nonempty", ["link"])
    torch.set_num_threads(before)
    assert [one.query for one in done if not one.is_exact] == []
    assert all(one.runs and one.f1 == 1 for one in done)


def rows(*values: str) -> Answer:
    return Answer(("x",), tuple((value,) for value in values))


@pytest.mark.parametrize(
    ("right", "answer", "worth"),
    [
        (rows("a", "b"), rows("b", "a"), 1.0),
        (rows("a", "b"), rows("b", "c"), 0.5),
        (rows("a"), rows("a", "b", "c"), 0.5),
        (rows("a"), rows(), 0.0),
        (rows(), rows(), 1.0),
        (rows("a"), None, 0.0),
        (Answer((), (), True), Answer((), (), True), 1.0),
        (Answer((), (), True), Answer((), (), False), 0.0),
        (Answer((), (), False), rows(), 0.0),
    ],
)
def test_f1(right: Answer, answer: Answer | None, worth: float) -> None:
    assert f1(right, answer) == worth
