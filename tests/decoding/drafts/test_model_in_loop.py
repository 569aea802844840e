"""Drafts of models in the loop: the same text, or the same law under rules."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
import torch
from checkpoints import save_checkpoint
from scripted import Script, outcomes

from tether.decoding import models, reference
from tether.decoding.drafts.rules_law import laws
from tether.decoding.drafts.rules_walk import Drawn
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.plan import Choice, Inputs, Plan
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import DraftRule, Request, Result, Sampling
from tether.decoding.terms.term import Role
from tether.errors import ModelError
from tether.grammars import choices, json_schema, regex

RULES: tuple[DraftRule, ...] = ("token", "block", "paths", "rsd")
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
    "required": ["name", "born"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model() -> Model:
    return models.load()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    """Two random models with one vocabulary."""
    found = []
    for seed in (0, 1):
        directory = tmp_path_factory.mktemp("llama")
        save_checkpoint(directory, "llama", seed=seed, num_hidden_layers=4)
        found.append(models.load(str(directory), dtype="float32"))
    return found[0], found[1]


def requests(model: Model) -> list[Request]:
    """Greedy and sampled, free and constrained."""
    prompt = encode(model, Prompt("Ann Lee, born 1990, is in Oslo.", fields="name, born int"))
    constraints = [
        None,
        json_schema(SCHEMA, model.vocabulary),
        regex("[a-f]{3,9}-[0-9]+", model.vocabulary),
    ]
    return [
        Request(f"{number} {heat}", prompt, constraint, Sampling(temperature=heat, seed=3), 24)
        for number, constraint in enumerate(constraints)
        for heat in (0.0, 0.8)
    ]


def run(
    model: Model, asked: list[Request], slots: int = 1, draft_model: Model | None = None
) -> list[Result]:
    others: dict[Role, Model] = {} if draft_model is None else {"drafter": draft_model}
    found = {result.key: result for result in Loop(model, slots=slots, others=others).run(asked)}
    return [found[request.key] for request in asked]


def drafting(asked: list[Request], *names: str, **fields: Any) -> list[Request]:
    return [replace(each, drafters=names, **fields) for each in asked]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("name", ["model", "swift"])
def test_the_text_is_the_same(model: Model, name: str, slots: int) -> None:
    asked = requests(model)
    plain = run(model, asked)
    drafted = run(model, drafting(asked, name), slots, draft_model=model)
    for one, other in zip(plain, drafted, strict=True):
        assert (one.tokens, one.text, one.finish) == (other.tokens, other.text, other.finish)
    if name == "model":
        assert sum(each.stats.accepted_tokens for each in drafted) > 20


@pytest.mark.usefixtures("eager")
def test_a_foreign_model_drafts_and_changes_nothing(pair: tuple[Model, Model]) -> None:
    model, other = pair
    prompt = tuple(model.vocabulary.encode("the other"))
    asked = [
        Request(f"{heat}", prompt, sampling=Sampling(temperature=heat, seed=1), max_tokens=30)
        for heat in (0.0, 0.6, 1.0)
    ]
    plain = run(model, asked)
    for names in (("model",), ("swift",), ("model", "lookup")):
        drafted = run(model, drafting(asked, *names), 3, draft_model=other)
        assert [each.tokens for each in drafted] == [each.tokens for each in plain]


def test_other_vocabularies_are_refused(model: Model, pair: tuple[Model, Model]) -> None:
    with pytest.raises(ModelError, match="other tokens"):
        Loop(model, others={"drafter": pair[0]})


def test_rows_are_told_what_they_lack(model: Model) -> None:
    [asked] = requests(model)[1:2]
    [alone] = run(model, drafting([asked], "model"))
    assert "needs a model" in alone.message
    [ruled] = run(model, drafting([asked], "lookup", draft_rule="block"))
    assert "none drafts" in ruled.message


class TestRules:
    @pytest.mark.parametrize("rule", RULES)
    def test_a_row_says_the_same_in_any_company(self, model: Model, rule: DraftRule) -> None:
        asked = drafting(requests(model)[1::2], "model", draft_rule=rule, draft_tokens=6)
        alone = [run(model, [each], draft_model=model)[0] for each in asked]
        beside = run(model, asked, 3, draft_model=model)
        assert [each.tokens for each in alone] == [each.tokens for each in beside]
        assert all(each.finish in ("stop", "limit", "length") for each in alone)

    @pytest.mark.parametrize("rule", RULES)
    def test_greedy_rows_say_what_they_say_without(self, model: Model, rule: DraftRule) -> None:
        asked = requests(model)[0::2]
        plain = run(model, asked)
        ruled = run(model, drafting(asked, "model", draft_rule=rule), draft_model=model)
        assert [each.tokens for each in ruled] == [each.tokens for each in plain]

    @pytest.mark.parametrize(("rule", "size"), [("token", 2), ("block", 2), ("paths", 4)])
    def test_the_law_of_texts_by_enumeration(
        self, pair: tuple[Model, Model], rule: DraftRule, size: int
    ) -> None:
        """Every outcome of every draw, through the loop: texts of three tokens."""
        model, other = pair
        constraint = regex("[ab]{3}", model.vocabulary)
        prompt = tuple(model.vocabulary.encode("the "))
        asked = Request("k", prompt, constraint, Sampling(temperature=2.0))
        [ruled] = drafting([asked], "model", draft_rule=rule, draft_tokens=size)

        def law(asked: Request) -> dict[str, float]:
            said: dict[str, float] = defaultdict(float)
            for text, mass in outcomes(lambda script: _scripted(script, model, other, asked)):
                said[text] += mass
            assert sum(said.values()) == pytest.approx(1)
            return said

        said, plain = law(ruled), law(asked)
        assert said.keys() == plain.keys()
        assert len(said) == 8
        for text, mass in plain.items():
            assert said[text] == pytest.approx(mass, abs=1e-6)


def _scripted(script: Script, model: Model, other: Model, asked: Request) -> str:
    """What a row says where all draws, its own and those for its rule, are scripted."""

    def choose(self: Drawn, chances: torch.Tensor, purpose: str) -> int:
        return script.choose(chances)

    def step(plan: Plan, inputs: Inputs) -> Choice:
        law = laws(asked.sampling, inputs.logits, inputs.mask)[0]
        return replace(reference.choose(plan, inputs), token=torch.tensor([script.choose(law)]))

    with (
        patch.object(Drawn, "choose", choose),
        patch("tether.decoding.chooser.step.choose", step),
        patch("tether.decoding.ties.NEAR", -1.0),
    ):
        return run(model, [asked], draft_model=other)[0].text


def test_choices_of_one_token(model: Model) -> None:
    """A text that ends after its first token leaves nothing to draft."""
    constraint = choices(["a", "b"], model.vocabulary)
    asked = Request("x", (5, 6), constraint, Sampling(temperature=1.0), drafters=("model",))
    for rule in ("match", *RULES):
        [found] = run(model, [replace(asked, draft_rule=rule)], draft_model=model)
        assert found.text in ("a", "b")
