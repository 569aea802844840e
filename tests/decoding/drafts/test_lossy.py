"""Typical acceptance: only where asked for, counted, and never beside the constraint."""

from __future__ import annotations

import json

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.drafts.draft import NOTHING, Draft
from tether.decoding.drafts.rules_walk import walk_typical
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request, Sampling
from tether.grammars import json_schema

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string", "maxLength": 9}, "b": {"enum": ["the one", "other"]}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


class TestWalk:
    SURE = (0.93, 0.05, 0.02)
    OPEN = (0.4, 0.35, 0.25)

    def laws(self, *rows: tuple[float, ...]) -> torch.Tensor:
        return torch.tensor(rows).double()

    def test_the_first_typical_child_is_taken(self) -> None:
        tree = Draft((1, 2, 0), (-1, -1, 1), (0.5, 0.3, 0.5))
        assert walk_typical(tree, self.laws(self.OPEN, *[self.SURE] * 3), [True] * 3) == [1]
        assert walk_typical(tree, self.laws(self.SURE, *[self.OPEN] * 3), [True] * 3) == []
        deeper = Draft((2, 0), (-1, 0), (0.5, 0.5))
        assert walk_typical(deeper, self.laws(self.OPEN, *[self.SURE] * 2), [True] * 2) == [2, 0]

    def test_forced_tokens_are_no_choice(self) -> None:
        tree = Draft((1, 2, 0), (-1, 0, 1), (0.5, 1.0, 0.5))
        laws = self.laws(self.OPEN, self.SURE, self.OPEN, self.OPEN)
        assert walk_typical(tree, laws, [False, True, True]) == [1, 0]

    def test_nothing_drafted(self) -> None:
        assert walk_typical(NOTHING, self.laws(self.OPEN), []) == []


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    found = []
    for seed in (0, 1):
        directory = tmp_path_factory.mktemp("llama")
        save_checkpoint(directory, "llama", seed=seed)
        found.append(models.load(str(directory), dtype="float32"))
    return found[0], found[1]


@pytest.mark.usefixtures("eager")
def test_in_the_loop(pair: tuple[Model, Model]) -> None:
    model, other = pair
    constraint = json_schema(SCHEMA, model.vocabulary)

    def run(lossy: str, heat: float) -> tuple[str, int]:
        asked = Request(
            "k", (40, 41), constraint, Sampling(temperature=heat), 60,
            drafters=("model",), lossy=lossy,  # type: ignore[arg-type]
        )  # fmt: skip
        [found] = Loop(model, others={"drafter": other}).run([asked])
        value = json.loads(found.text)
        assert set(value) == {"a", "b"}
        assert len(value["a"]) <= 9
        return found.text, found.stats.lossy_tokens

    for heat in (0.0, 1.0):
        exact, lossy = run("off", heat), run("typical", heat)
        assert exact[1] == 0
        assert lossy[1] > 0
        assert lossy[0] != exact[0]
