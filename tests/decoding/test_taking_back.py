"""What a judge refuses is taken back in the loop: the text is that of the exact grammar."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoints import save_checkpoint
from refusing import Without

from tether.decoding import models
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Delta, Request, Sampling
from tether.grammars import lark
from tether.grammars.constraint import Constraint


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory: Path = tmp_path_factory.mktemp("llama")
    save_checkpoint(directory, "llama")
    return models.load(str(directory), dtype="float64")


def _request(model: Model, key: str, constraint: Constraint, temperature: float = 0.0) -> Request:
    sampling = Sampling(temperature=temperature, seed=3)
    return Request(key, tuple(model.vocabulary.encode(key)), constraint, sampling, max_tokens=40)


def _text(model: Model, request: Request) -> str:
    (result,) = Loop(model, slots=1).run([request])
    assert result.finish == "stop", result.message
    return result.text


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_what_is_said_instead_is_what_the_exact_grammar_says(
    model: Model, temperature: float
) -> None:
    refused: list[str] = []
    whole = lark("start: T\nT: /[abhet]{6,8}/\n", model.vocabulary)
    for _ in range(4):
        without = "".join(f" & ~/{text}[abhet]*/" for text in refused)
        exact = lark(f"start: T\nT: /[abhet]{{6,8}}/{without}\n", model.vocabulary)
        said = _text(model, _request(model, "he", exact, temperature))
        guarded = _request(model, "he", Without(whole, refused), temperature)
        assert _text(model, guarded) == said
        refused.append(said)
    assert len(set(refused)) == 4


def test_company_does_not_change_what_is_taken_back(model: Model) -> None:
    whole = lark("start: T\nT: /[abhet]{6,8}/\n", model.vocabulary)
    free = [_request(model, key, whole, 1.0) for key in ("a", "bb", "the and", "x")]
    refused = [_text(model, row) for row in free]
    rows = [_request(model, r.key, Without(whole, refused), 1.0) for r in free]
    alone = [(row.key, _text(model, row), row in rows) for row in [*rows, *free]]
    together = list(Loop(model, slots=3).run([*rows, *free]))
    told = [(r.key, r.text, r.stats.taken_back_tokens > 0) for r in together]
    assert sorted(told) == sorted(alone)
    assert not {text for _, text, guarded in alone if guarded} & set(refused)


def test_what_may_be_taken_back_is_not_streamed(model: Model) -> None:
    whole = lark("start: T\nT: /[abhet]{6,8}/\n", model.vocabulary)
    row = _request(model, "he", Without(whole, [_text(model, _request(model, "he", whole))]))
    deltas: list[Delta] = []
    (result,) = Loop(model).run([row], deltas.append)
    assert "".join(delta.text for delta in deltas) == result.text
