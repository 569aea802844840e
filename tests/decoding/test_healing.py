"""Token healing in the loop: with and without a constraint, alone and in company."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints import save_checkpoint
from refusing import Without

from tether.decoding import models
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Delta, Request, Result, Sampling
from tether.decoding.terms.parse import parse_all
from tether.grammars import choices, regex
from tether.grammars.healing import most_tokens

PROMPTS = ["and t", 'or "', "in the an", "x tr", "é the ", "(h"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory: Path = tmp_path_factory.mktemp("llama")
    save_checkpoint(directory, "llama")
    return models.load(str(directory), dtype="float64")


def ask(model: Model, prompt: str, temperature: float = 0.0, **fields: Any) -> Request:
    sampling = Sampling(temperature=temperature, seed=5)
    ids = tuple(model.vocabulary.encode_prompt(prompt))
    return Request(prompt, ids, **{"sampling": sampling, "max_tokens": 9, "heal": True, **fields})


def run(model: Model, *requests: Request, slots: int = 1, told: Any = None) -> list[Result]:
    results = {result.key: result for result in Loop(model, slots=slots).run(requests, told)}
    return [results[request.key] for request in requests]


def rows(model: Model) -> list[Request]:
    """Free, constrained, thinking, guarded; greedy and sampled."""
    number, word = regex("[0-9]{2,4}", model.vocabulary), regex("[a-z ]{3,6}", model.vocabulary)
    either = choices(["he", "the", "ok"], model.vocabulary)
    kinds: list[dict[str, Any]] = [
        {}, {"constraint": number}, {"constraint": word}, {"think": "</"},
        {"constraint": either, "think": "</", "max_tokens": 12},
        {"constraint": Without(word, ["he", "th", "an"]), "max_tokens": 20},
    ]  # fmt: skip
    return [
        replace(ask(model, prompt, temperature, **kind), key=f"{prompt} {temperature} {number}")
        for prompt in PROMPTS
        for temperature in (0.0, 1.5)
        for number, kind in enumerate(kinds)
    ]


def test_what_is_said_goes_on_from_the_prompt(model: Model) -> None:
    ran_over = 0
    for request, result in zip(rows(model), run(model, *rows(model)), strict=True):
        assert result.finish in ("stop", "limit"), result.message
        if request.constraint is not None and result.finish == "stop":
            assert request.constraint.validate(result.text) is None
        kept = result.stats.prompt_tokens
        again = model.vocabulary.decode_bytes(request.prompt[kept:])
        assert again, "nothing was healed"
        if request.think is None:
            said = model.vocabulary.decode_bytes(result.tokens)
            assert said.startswith(again)
            assert said[len(again) :].decode("utf-8", "replace") == result.text
            firsts = [model.vocabulary.decode_bytes(result.tokens[:n]) for n in range(5)]
            ran_over += again not in firsts
        most = request.max_tokens + most_tokens(request.prompt[kept:])
        assert result.stats.output_tokens <= most
    assert ran_over, "no token began in the prompt and ended in the text"


def test_company_does_not_change_a_row(model: Model) -> None:
    alone = run(model, *rows(model))
    for slots in (3, 8):
        together = run(model, *rows(model), slots=slots)
        assert [r.tokens for r in together] == [r.tokens for r in alone]
        assert [(r.text, r.thought) for r in together] == [(r.text, r.thought) for r in alone]


def test_the_stream_is_the_text(model: Model) -> None:
    heard: dict[str, str] = {}

    def hear(delta: Delta) -> None:
        kind = f"{delta.key} {delta.kind}"
        heard[kind] = heard.get(kind, "") + delta.text

    for result in run(model, *rows(model), slots=4, told=hear):
        assert heard.get(f"{result.key} text", "") == result.text
        assert heard.get(f"{result.key} thought", "").strip() == result.thought


def test_a_prompt_cut_inside_a_token_says_what_the_whole_token_says(model: Model) -> None:
    """Forced to `true`, a prompt that ends in `tr` goes on with the token that holds both."""
    true = choices(["ue"], model.vocabulary)
    (healed,) = run(model, ask(model, "x tr", constraint=true))
    (plain,) = run(model, ask(model, "x tr", constraint=true, heal=False))
    assert healed.text == plain.text == "ue"
    assert plain.stats.prompt_tokens == len(model.vocabulary.encode_prompt("x tr"))
    assert healed.stats.prompt_tokens < plain.stats.prompt_tokens
    whole = model.vocabulary.encode("true")
    assert len(whole) == 1, "the vocabulary has no token of that word"
    mask_of_one = choices(["ue", "uest"], model.vocabulary)
    bias = Sampling(logit_bias={whole[0]: 99.0})
    (biased,) = run(model, ask(model, "x tr", constraint=mask_of_one, sampling=bias))
    assert whole[0] in biased.tokens
    assert biased.text.startswith("ue")


def test_views_see_the_same_cut(model: Model) -> None:
    prompts = {"wrong": tuple(model.vocabulary.encode_prompt("lie: and t"))}
    terms = parse_all(["icd:0.5"])
    request = ask(model, "and t", terms=terms, prompts=prompts)
    (result,) = run(model, request)
    assert result.stats.prompt_tokens < len(request.prompt)
    other = {"wrong": tuple(model.vocabulary.encode_prompt("and zz"))}
    (kept,) = run(model, ask(model, "and t", terms=terms, prompts=other))
    assert kept.stats.prompt_tokens == len(request.prompt), "they end differently"


def test_stop_texts_and_small_budgets(model: Model) -> None:
    (stopped,) = run(model, ask(model, "and t", stop=("t",), max_tokens=30))
    assert "t" not in stopped.text
    one = regex("[0-9]", model.vocabulary)
    (result,) = run(model, ask(model, "and t", constraint=one, max_tokens=1))
    assert (result.finish, len(result.text)) == ("stop", 1)
    (thought,) = run(model, ask(model, "and t", think="</", max_tokens=1))
    assert thought.finish in ("limit", "stop")
