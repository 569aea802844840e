"""Lossy acceptance by trained heads: its extremes, what stays the model's own, its training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from draft_cases import Bad, always
from torch import Tensor

from tether.decoding.drafts.beside import Facts
from tether.decoding.drafts.draft import Draft, Spot
from tether.decoding.drafts.judge import BESIDE, Judge, judged, load, step_of
from tether.decoding.drafts.judge_train import Answered, cases, surety, train
from tether.decoding.grounds.ground import Given, Told
from tether.decoding.grounds.parse import bind_all, parse_all
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Lossy, Request, Result, Sampling
from tether.errors import ModelError
from tether.grammars import json_schema

LOSSY: tuple[Lossy, ...] = ("judge", "arbitrage")
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "kind": {"enum": ["one", "other"]}},
    "required": ["name", "kind"],
    "additionalProperties": False,
}
WORDS = " some other words that nobody asked for"


def asked(model: Model, lossy: Lossy, at: float, heat: float = 0.0, free: bool = False) -> Request:
    return Request(
        "k",
        encode(model, Prompt("Ann Lee lives in Oslo.", fields="name, kind one|other")),
        None if free else json_schema(SCHEMA, model.vocabulary),
        Sampling(temperature=heat, seed=4),
        40,
        drafters=("told",),
        lossy=lossy,
        lossy_at=at,
    )


def said(model: Model, request: Request) -> Result:
    """What a row says whose drafts hold words that nobody asked for."""
    words = model.vocabulary.encode(WORDS)

    def other(spot: Spot, budget: int) -> Draft:
        start = len(spot.context) % len(words)
        found = words[start:][:budget]
        return Draft.chain(found, [0.9] * len(found))

    with always(Bad(other)):
        [found] = Loop(model).run([request])
    return found


@pytest.mark.parametrize("heat", [0.0, 0.9])
@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("lossy", LOSSY)
def test_the_extremes(model: Model, lossy: Lossy, free: bool, heat: float) -> None:
    """At 1 nothing is taken; at 0 every drafted word is, and the constraint holds all the same."""
    request = asked(model, lossy, 1.0, heat, free)
    plain = said(model, replace(request, drafters=()))
    none, all_ = said(model, request), said(model, replace(request, lossy_at=0.0))
    assert (none.tokens, none.stats.lossy_tokens) == (plain.tokens, 0)
    assert all_.tokens != plain.tokens
    assert all_.stats.lossy_tokens > 3
    if free:
        text = model.vocabulary.decode_bytes(all_.tokens).decode()
        assert sum(word in text for word in WORDS.split()) > 4
    elif all_.finish == "stop":
        assert json.loads(all_.text).keys() == {"name", "kind"}
        assert json.loads(all_.text)["kind"] in ("one", "other")
        assert len(json.loads(all_.text)["name"]) <= 20


@pytest.mark.parametrize("lossy", LOSSY)
def test_structure_and_choices_are_the_models_own(model: Model, lossy: Lossy) -> None:
    """Where no free text stands, nothing is taken, however liked."""
    request = asked(model, lossy, 0.0)
    closed = {
        **SCHEMA,
        "properties": {"name": {"enum": ["Ann", "Anna"]}, "kind": {"enum": ["one"]}},
    }
    request = replace(request, constraint=json_schema(closed, model.vocabulary))
    assert said(model, request).stats.lossy_tokens == 0
    assert said(model, request).text == said(model, replace(request, drafters=())).text


def test_rows_with_evidence_are_drafted_without_loss(model: Model) -> None:
    passage = Told("Ann Lee", tuple(model.vocabulary.encode("Ann Lee")))
    request = asked(model, "judge", 0.0, free=True)
    request = replace(
        request, sources=bind_all(parse_all(["grad:3,mode=count"]), Given(model, (passage,)))
    )
    found = said(model, request)
    assert found.tokens == said(model, replace(request, drafters=())).tokens
    assert found.stats.drafted_tokens > 0
    assert found.stats.lossy_tokens == 0


class TestRules:
    TREE = Draft((7, 8, 9, 5), (-1, -1, 0, 2), (0.9, 0.1, 0.8, 0.7))
    STATES = torch.arange(4.0)[:, None]

    def likes(self, *liked: int) -> object:
        def found(states: Tensor) -> list[bool]:
            return [int(state) in liked for state in states[:, 0]]

        return found

    def judged(self, node: int, choice: int, liked: Sequence[int], opened: Sequence[int]) -> int:
        return judged(
            self.TREE,
            node,
            choice,
            self.STATES,
            lambda n: n in opened,
            self.likes(*liked),  # type: ignore[arg-type]
        )

    def test_a_judge_has_no_say_where_the_choice_is_drafted(self) -> None:
        assert self.judged(-1, 8, [0], [-1, 0, 1]) == 8

    def test_the_first_that_is_liked(self) -> None:
        assert self.judged(-1, 4, [0, 1], [-1, 0, 1]) == 7
        assert self.judged(-1, 4, [1], [-1, 0, 1]) == 8
        assert self.judged(0, 4, [2], [0, 2]) == 9
        assert self.judged(-1, 4, [], [-1, 0, 1]) == 4
        assert self.judged(1, 4, [0, 1, 2, 3], [1]) == 4, "nothing is drafted there"

    def test_only_free_text(self) -> None:
        assert self.judged(-1, 4, [0, 1], [0, 1]) == 4, "here it is structure"
        assert self.judged(-1, 4, [0, 1], [-1, 1]) == 8, "the first would end the text"

    def test_a_step_ends_with_the_free_text(self) -> None:
        chosen = [True] * 4
        assert step_of(self.TREE, chosen, lambda n: True) == [0, 2, 3]
        assert step_of(self.TREE, chosen, lambda n: n != 3) == [0, 2]
        assert step_of(self.TREE, [True, True, False, True], lambda n: True) == [0, 2]
        assert step_of(self.TREE, chosen, lambda n: n >= 0) == []

    def test_chances(self) -> None:
        """sigmoid(1) = .731; a step is its mean."""
        judge = Judge(torch.tensor([1.0, 0.0]), torch.tensor([2.0, -1.0]))
        assert judge.likes(torch.tensor([[1.0], [-1.0]]), 0.73) == [True, False]
        assert judge.likes(torch.tensor([[1.0]]), 0.74) == [False]
        assert judge.likes(torch.tensor([[99.0]]), 1.0) == [False]
        assert judge.likes(torch.tensor([[-99.0]]), 0.0) == [True]
        assert judge.keeps(torch.tensor([[0.0], [2.0]]), 0.73)
        assert not judge.keeps(torch.tensor([[0.0], [2.0]]), 0.74)


class TestFile:
    def test_the_shipped_one_belongs_to_its_model(self, model: Model) -> None:
        assert load(model).token.shape == (model.network.head_width + 1,)

    def test_what_cannot_be_used(self, model: Model, tmp_path: Path) -> None:
        bare = replace(model, directory=tmp_path)
        [found] = Loop(bare).run([replace(asked(bare, "judge", 0.5), drafters=("lookup",))])
        assert "no judge" in found.message
        judge = load(model)
        judge.save(tmp_path / BESIDE.place, Facts("another", 1, 2))
        with pytest.raises(ModelError, match="other weights"):
            load(bare)
        (tmp_path / BESIDE.place).write_bytes(b"nonsense")
        with pytest.raises(ModelError, match="is no judge"):
            load(bare)


def test_training_learns(model: Model) -> None:
    encode_ = model.vocabulary.encode_prompt
    texts = [
        Answered(encode_(f"{name} lives in {town}. Where? "), encode_(f"{town} it is, says {name}"))
        for name in ("Ann Lee", "Bob Ray", "Eve Orr", "Tom Fox")
        for town in ("Oslo", "Lund", "Bonn", "Nice")
    ]
    found = cases(model, texts, seed=1)
    assert len(found.right) == len(found.tokens) > len(found.good) == len(found.steps) == 6 * 16
    assert {0.0, 1.0} == set(found.right.tolist()) == set(found.good.tolist())
    tokens, steps = surety(train(found), found)
    assert min(tokens, steps) > 0.9
    undecided = Judge(*(torch.zeros(model.network.head_width + 1),) * 2)
    assert surety(undecided, found)[0] < 0.9
