"""Voting over closed answers: the card's numbers, its laws, and what it costs nothing to refuse."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request, Result, Sampling
from tether.decoding.search.vote import Vote, tally
from tether.decoding.terms.parse import parse_all
from tether.grammars import choices, json_schema

ANSWERS = ["the one", "the other", "10", "20", "no", "identifier"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp("llama")
    save_checkpoint(directory, "llama")
    return models.load(str(directory), dtype="float32")


def ask(model: Model, text: str, *terms: str, **fields: Any) -> Request:
    encode = model.vocabulary.encode
    given = {
        "constraint": choices(ANSWERS, model.vocabulary),
        "prompts": {"turned": tuple(encode(text[::-1])), "bare": tuple(encode("x"))},
        "max_tokens": 40,
        **fields,
    }
    return Request(text, tuple(encode(text)), terms=parse_all(terms), **given)


def run(model: Model, *requests: Request, slots: int = 1) -> dict[str, Result]:
    return {result.key: result for result in Loop(model, slots=slots).run(requests)}


TEXTS = ["the and", "or in", "false", "abc def", "hello"]


def test_worked_numbers() -> None:
    paths = [
        Vote("Yes", 0.5, 0.9 - 0.05),
        Vote("No", 0.2, 0.8 - 0.1),
        Vote("Yes", 0.15, 0.4 - 0.35),
        Vote("No", 0.1, 0.95 - 0.02),
    ]
    for seed in range(4):
        random.Random(seed).shuffle(paths)
        assert {k: round(v, 4) for k, v in tally(paths).items()} == {"Yes": 0.4325, "No": 0.2330}


def test_one_path_of_one_view_is_greedy(model: Model) -> None:
    for text in TEXTS:
        (plain,) = run(model, ask(model, text)).values()
        same = {"turned": ask(model, text).prompt}
        (voted,) = run(model, ask(model, text, "mvp,paths=1", prompts=same)).values()
        assert voted.tokens == plain.tokens
        assert voted.finish == "stop"


def test_votes_elect_a_legal_answer_whatever_the_company(model: Model) -> None:
    hot = Sampling(temperature=2.0)  # has no say in a vote
    rows = [ask(model, text, "mvp,paths=4", "cad:1") for text in TEXTS]
    rows += [ask(model, f"{text} th", sampling=hot) for text in TEXTS]
    alone = {key: r.tokens for row in rows for key, r in run(model, row).items()}
    together = run(model, *rows, slots=4)
    assert {key: result.tokens for key, result in together.items()} == alone
    assert all(result.text in ANSWERS for result in together.values())
    heated = run(model, *(replace(row, sampling=hot) for row in rows[: len(TEXTS)]))
    assert all(heated[text].tokens == alone[text] for text in TEXTS)


def test_paths_hear_more_than_the_first_token(model: Model) -> None:
    """With a path for each answer, the sums are those of a walk through all of them."""
    elected = [run(model, ask(model, t, "mvp:0,paths=6"))[t].text for t in TEXTS]
    greedy = [run(model, ask(model, t))[t].text for t in TEXTS]
    assert set(elected) <= set(ANSWERS)
    assert elected != greedy  # two answers share their first token, and split its probability


def test_enums_are_closed_answers(model: Model) -> None:
    schema = {"enum": ["the one", "no", 10]}
    request = ask(model, "the", "mvp", constraint=json_schema(schema, model.vocabulary))
    assert run(model, request)["the"].text in ('"the one"', '"no"', "10")


def test_one_answer_needs_no_vote(model: Model) -> None:
    request = ask(model, "the", "mvp", constraint=choices(["the one"], model.vocabulary))
    (result,) = run(model, request).values()
    assert (result.text, result.stats.forwards) == ("the one", 0)


@pytest.mark.parametrize("fields", [{"constraint": None}, {"think": "</think>"}])
def test_what_is_not_closed_is_refused(model: Model, fields: dict[str, Any]) -> None:
    (result,) = run(model, ask(model, "the", "mvp", **fields)).values()
    assert result.finish == "usage"
    assert "closed answers" in result.message
