"""The loop on real (random) networks: company, refills, limits, thinking, stops, dead ends."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Delta, Request, Result, Sampling
from tether.grammars import choices, regex


@pytest.fixture(scope="module", params=["llama", "qwen2", "gpt2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp(request.param)
    save_checkpoint(directory, request.param)
    return models.load(str(directory), dtype="float64")


def ask(model: Model, key: str, text: str = "hello", **fields: Any) -> Request:
    return Request(key, tuple(model.vocabulary.encode(text)), **{"max_tokens": 24, **fields})


def run_one(model: Model, request: Request) -> Result:
    (result,) = Loop(model, slots=1).run([request])
    return result


def mixed_rows(model: Model) -> list[Request]:
    """Free and constrained, greedy and sampled, short and long."""
    rng = random.Random(4)
    number = regex(r"-?[0-9]{1,6}(\.[0-9]{1,4})?", model.vocabulary)
    record = regex(r'\{"identifier":"[a-z]{2,12}","ok":(true|false)\}', model.vocabulary)
    rows = []
    for index in range(12):
        text = "".join(rng.choice("abcdef ghij") for _ in range(rng.randrange(1, 40)))
        rows.append(
            ask(
                model,
                f"r{index}",
                text,
                constraint=(None, number, record)[index % 3],
                sampling=Sampling(
                    temperature=(0.0, 1.0, 1.5)[index % 4 % 3],
                    top_p=0.95,
                    seed=index,
                    repetition_penalty=1.2 if index % 5 == 0 else 1.0,
                ),
                max_tokens=8 + 4 * (index % 3),
            )
        )
    return rows


def test_company_and_slots_do_not_change_a_row(model: Model) -> None:
    rows = mixed_rows(model)
    alone = {row.key: run_one(model, row) for row in rows}
    for slots in (2, 5, 12):
        together = {result.key: result for result in Loop(model, slots=slots).run(rows)}
        assert {k: r.tokens for k, r in together.items()} == {k: r.tokens for k, r in alone.items()}
        assert {k: r.finish for k, r in together.items()} == {k: r.finish for k, r in alone.items()}


def test_free_greedy_text_equals_generate(model: Model) -> None:
    from transformers import AutoModelForCausalLM

    library = AutoModelForCausalLM.from_pretrained(model.directory, dtype=torch.float64)
    library.generation_config.eos_token_id = model.vocabulary.eos_id
    for text in ("a", "some words", "the longest of the three prompts"):
        request = ask(model, text, text)
        ids = torch.tensor([request.prompt])
        said = library.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=24,
            do_sample=False,
            pad_token_id=0,
        )[0, ids.shape[1] :].tolist()
        said = (
            said[: said.index(model.vocabulary.eos_id)] if model.vocabulary.eos_id in said else said
        )
        assert list(run_one(model, request).tokens) == said


def test_requests_are_pulled_only_as_slots_come_free(model: Model) -> None:
    pulled = 0

    def source() -> Iterator[Request]:
        nonlocal pulled
        for index in range(20):
            pulled += 1
            yield ask(model, str(index), max_tokens=3)

    results = Loop(model, slots=4).run(source())
    next(results)
    assert pulled <= 6
    assert len(list(results)) == 19


def test_output_always_matches_the_constraint(model: Model) -> None:
    constraint = regex(r"[ab]{3}-[0-9]{2}", model.vocabulary)
    rows = [
        ask(model, str(i), constraint=constraint, sampling=Sampling(temperature=2.0, seed=i))
        for i in range(20)
    ]
    for result in Loop(model).run(rows):
        assert result.finish == "stop"
        assert constraint.validate(result.text) is None


def test_forced_tokens_cost_no_step(model: Model) -> None:
    constraint = choices(["the only possible answer"], model.vocabulary)
    result = run_one(model, ask(model, "x", constraint=constraint))
    assert result.text == "the only possible answer"
    assert result.finish == "stop"
    assert result.stats.forced_tokens == result.stats.output_tokens
    assert result.stats.forwards == 0


def test_limit_ends_a_row_with_its_reason(model: Model) -> None:
    constraint = regex("[a-z]{40,}", model.vocabulary)
    result = run_one(model, ask(model, "x", constraint=constraint, max_tokens=5))
    assert (result.finish, result.stats.output_tokens) == ("limit", 5)
    assert "5 tokens" in result.message


def test_positions_end_a_row(model: Model) -> None:
    positions = model.network.max_positions
    result = run_one(
        model,
        ask(
            model,
            "x",
            "a b " * 30,
            max_tokens=10 * positions,
            constraint=regex("[a-z]+ {9999}", model.vocabulary),
        ),
    )
    assert result.finish == "limit"
    assert str(positions) in result.message


def test_a_row_that_cannot_run_does_not_stop_the_others(model: Model) -> None:
    rows = [ask(model, "long", "a" * 4000), ask(model, "good", max_tokens=2), Request("empty", ())]
    finished = {result.key: result for result in Loop(model, slots=2).run(rows)}
    assert finished["long"].finish == finished["empty"].finish == "usage"
    assert "positions" in finished["long"].message
    assert finished["good"].finish in ("stop", "limit")


def test_thinking_stays_out_of_the_payload(model: Model) -> None:
    constraint = choices(["yes", "no"], model.vocabulary)
    for seed in range(4):
        sampling = Sampling(temperature=1.5, seed=seed)
        request = ask(model, "x", think="</think>", constraint=constraint, sampling=sampling)
        result = run_one(model, request)
        assert result.text in ("yes", "no")
        assert "</think>" not in result.thought
        assert 0 < result.stats.thought_tokens <= 12


def test_stop_texts_end_free_text(model: Model) -> None:
    letters = regex("[a-z ]{40}", model.vocabulary)  # the model's own text may hold broken UTF-8
    ids = run_one(model, ask(model, "x", constraint=letters, max_tokens=60)).tokens
    bias = {token: 50.0 for token in ids}
    free = run_one(model, ask(model, "x", sampling=Sampling(logit_bias=bias)))
    for stop in (free.text[3:6], free.text[5]):
        request = ask(model, "x", stop=(stop, "never said"), sampling=Sampling(logit_bias=bias))
        result = run_one(model, request)
        assert result.finish == "stop"
        assert result.text == free.text[: free.text.index(stop)]


def test_deltas_add_up_to_the_text(model: Model) -> None:
    deltas: list[Delta] = []
    rows = [ask(model, "a"), ask(model, "b", think="##"), ask(model, "c", stop=("e",))]
    results = {result.key: result for result in Loop(model).run(rows, deltas.append)}
    for key, result in results.items():
        said = {"text": "", "thought": ""}
        for delta in deltas:
            said[delta.kind] += delta.text if delta.key == key else ""
        assert said["text"] == result.text
        assert said["thought"].strip() == result.thought


def test_free_text_holds_no_control_tokens(model: Model) -> None:
    """However likely: alone, and beside a constrained row (where the refusal is a mask)."""
    (pad,) = model.vocabulary.special_ids - {model.vocabulary.eos_id}
    pushed = Sampling(logit_bias={pad: 100.0})
    free = ask(model, "free", sampling=pushed)
    beside = ask(model, "beside", constraint=regex("[a-z]{20}", model.vocabulary))
    for rows in ([free], [free, beside]):
        results = {result.key: result for result in Loop(model).run(rows)}
        assert pad not in results["free"].tokens
        assert results["free"].stats.output_tokens > 0 or results["free"].finish == "stop"


def test_requests_may_come_in_while_rows_run(model: Model) -> None:
    waiting = [ask(model, "first", max_tokens=12)]

    class Inbox:
        """Empty for now is not empty for good."""

        def __iter__(self) -> Iterator[Request]:
            return self

        def __next__(self) -> Request:
            if not waiting:
                raise StopIteration
            return waiting.pop()

    def hear(delta: Delta) -> None:
        if delta.key == "first" and not told:
            told.append(delta.key)
            waiting.append(ask(model, "second", max_tokens=2))

    told: list[str] = []
    results = list(Loop(model, slots=2).run(Inbox(), hear))
    assert [result.key for result in results] == ["second", "first"]
    alone = run_one(model, ask(model, "first", max_tokens=12))
    assert results[1].tokens == alone.tokens


def test_a_row_is_cancelled_from_outside(model: Model) -> None:
    cancel = threading.Event()
    rows = [ask(model, "gone", max_tokens=100, cancel=cancel), ask(model, "stays", max_tokens=9)]
    results = Loop(model, slots=2).run(rows, lambda delta: cancel.set())
    found = {result.key: result for result in results}
    assert found["gone"].finish == "cancelled"
    assert found["gone"].stats.output_tokens < 9
    assert found["stays"].tokens == run_one(model, rows[1]).tokens
