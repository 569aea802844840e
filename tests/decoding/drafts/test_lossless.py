"""Drafts change speed and never text: every kind of constraint, greedy and sampled, in any company.

The drafter here knows the texts and lies about them at random, so its trees have every shape and
come true to every depth.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from checkpoints import save_checkpoint
from draft_cases import Bad, Told, always
from refusing import Without

from tether.decoding import models
from tether.decoding.drafts.draft import Draft, Spot
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Delta, Request, Result, Sampling
from tether.grammars import choices, json_schema, lark, regex
from tether.grammars.constraint import Constraint
from tether.grammars.json_schema import Bounds

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": 12},
        "ok": {"type": "boolean"},
        "parts": {"type": "array", "items": {"type": "integer", "maximum": 99}, "maxItems": 4},
        "kind": {"enum": ["one", "other", "theother"]},
    },
    "required": ["id", "ok", "parts", "kind"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A random model in float32, which settles near-ties, on each backend."""
    directory = tmp_path_factory.mktemp(request.param)
    save_checkpoint(directory, request.param)
    return models.load(str(directory), dtype="float32")


def constraints(model: Model) -> dict[str, Constraint | None]:
    vocabulary = model.vocabulary
    whole = lark("start: T\nT: /[abhet]{6,8}/\n", vocabulary)
    return {
        "json": json_schema(SCHEMA, vocabulary, bounds=Bounds()),
        "unique": json_schema(
            {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
            vocabulary,
            bounds=Bounds(),
        ),
        "regex": regex(r"-?[0-9]{1,6}(\.[0-9]{1,4})? (the|other)+", vocabulary),
        "lark": lark('start: ("the" | "he" NUM)+ "."\nNUM: /[0-9]{1,3}/\n', vocabulary),
        "choices": choices(["the one", "the other", "another"], vocabulary),
        "refused": Without(whole, ["hehehe", "ababab"]),
        "free": None,
    }


def rows(model: Model, seed: int) -> list[Request]:
    """One row of each kind, and some with a preamble, a stop, a penalty or a healed prompt."""
    rng = random.Random(seed)
    asked = []
    for number, (name, constraint) in enumerate(constraints(model).items()):
        text = "".join(rng.choice("abcdef ghij") for _ in range(rng.randrange(1, 30)))
        asked.append(
            Request(
                name,
                tuple(model.vocabulary.encode(text)),
                constraint,
                Sampling(temperature=(0.0, 0.9, 1.4)[(seed + number) % 3], top_p=0.95, seed=seed),
                max_tokens=32,
                drafters=("told",),
                draft_tokens=rng.choice((3, 8, 16)),
            )
        )
    free = asked[-1]
    asked.append(replace(free, key="stopped", stop=("e", "th"), max_tokens=40))
    penalised = replace(asked[0].sampling, repetition_penalty=1.3)
    asked.append(replace(asked[0], key="penalty", sampling=penalised))
    asked.append(replace(asked[0], key="thinking", think="th", max_tokens=48))
    asked.append(replace(free, key="healed", heal=True))
    return asked


def plain(asked: Sequence[Request]) -> list[Request]:
    return [replace(request, drafters=()) for request in asked]


def told(model: Model, results: Sequence[Result], truth: float, seed: int) -> Told:
    """Knows what the rows say, thought included."""
    return Told(said(results), truth, seed, model.vocabulary.size)


def said(results: Sequence[Result]) -> dict[str, tuple[int, ...]]:
    return {result.key: result.tokens for result in results}


def by_key(results: Sequence[Result]) -> dict[str, Any]:
    return {r.key: (r.tokens, r.text, r.thought, r.finish, r.message) for r in results}


@pytest.mark.parametrize("slots", [1, 3, 16])
def test_texts_are_the_same_with_and_without(small: Model, slots: int) -> None:
    accepted = 0
    for seed in range(2):
        asked = rows(small, seed)
        wanted = list(Loop(small, slots=4).run(plain(asked)))
        for truth in (0.5, 0.95):
            with always(told(small, wanted, truth, seed)):
                found = list(Loop(small, slots=slots).run(asked))
            assert by_key(found) == by_key(wanted)
            accepted += sum(result.stats.accepted_tokens for result in found)
    assert accepted > 50


def test_true_drafts_save_forwards(small: Model) -> None:
    asked = rows(small, 5)
    wanted = list(Loop(small, slots=1).run(plain(asked)))
    with always(told(small, wanted, 1.0, 1)):
        found = list(Loop(small, slots=1).run(asked))
    saved = [w.stats.forwards - f.stats.forwards for w, f in zip(wanted, found, strict=True)]
    assert min(saved) >= 0
    assert sum(f.stats.forwards for f in found) < 0.7 * sum(w.stats.forwards for w in wanted)


def test_the_turn_that_ends_a_row_counts(small: Model) -> None:
    asked = Request("free", (65, 66), max_tokens=9, drafters=("told",))
    [wanted] = Loop(small, slots=1).run(plain([asked]))

    def rest(spot: Spot, budget: int) -> Draft:
        ahead = wanted.tokens[len(spot.context) - len(asked.prompt) :][:budget]
        return Draft.chain(ahead, [0.9] * len(ahead))

    with always(Bad(rest)):
        [found] = Loop(small, slots=1).run([asked])
    assert found.tokens == wanted.tokens
    # One forward says the first token, the other the drafted ones and the one after them.
    assert found.stats.forwards == 2
    assert found.stats.drafted_tokens == found.stats.accepted_tokens == 7


def test_a_stream_has_the_same_text_in_order(small: Model) -> None:
    asked = [row for row in rows(small, 2) if row.key != "thinking"]
    wanted = list(Loop(small, slots=1).run(plain(asked)))
    heard: list[Delta] = []
    with always(told(small, wanted, 0.9, 3)):
        list(Loop(small, slots=3).run(asked, heard.append))
    for result in wanted:
        text = "".join(delta.text for delta in heard if delta.key == result.key)
        assert text == result.text


def test_a_drafter_hears_what_became_of_its_drafts(small: Model) -> None:
    asked = rows(small, 1)[:3]
    wanted = list(Loop(small, slots=1).run(plain(asked)))
    drafter = told(small, wanted, 0.8, 0)
    with always(drafter):
        list(Loop(small, slots=2).run(asked))
    texts = said(wanted)
    for verdict in drafter.verdicts:
        assert verdict.logits is not None
        assert verdict.hidden is not None
        assert len(verdict.logits) == len(verdict.hidden) == 1 + len(verdict.draft)
        output = [*verdict.context, *verdict.said][len(verdict.request.prompt) :]
        text = texts[verdict.request.key]
        if verdict.choices:  # nothing was taken back
            assert list(text[: len(output)]) == output
        tokens = [verdict.draft.tokens[node] for node in verdict.accepted]
        assert list(verdict.said[: len(tokens)]) == tokens
    assert drafter.forgotten == len(asked)


def _wrong(spot: Spot, budget: int) -> Draft:
    return Draft.chain([7 + len(spot.context) % 50] * min(budget, 4), [0.9] * min(budget, 4))


BAD: dict[str, Callable[[Spot, int], Draft]] = {
    "wrong": _wrong,
    "longer than the budget": lambda _, budget: Draft.chain(
        [65] * (budget + 9), [1] * (budget + 9)
    ),
    "outside the vocabulary": lambda *_: Draft((10**6, -3), (-1, -1), (0.9, 0.8)),
    "ends and padding": lambda *_: Draft((0, 1), (-1, 0), (0.9, 0.9)),
    "the same twice": lambda *_: Draft((72, 72, 73, 73), (-1, -1, 0, 1), (0.9,) * 4),
    "without chances": lambda *_: Draft((72, 73), (-1, -1), (0.0, -1.0)),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_drafters_do_no_harm(small: Model, kind: str) -> None:
    asked = [row for row in rows(small, 3) if row.key in ("json", "free", "refused")]
    wanted = by_key(list(Loop(small, slots=3).run(plain(asked))))
    with always(Bad(BAD[kind])):
        found = list(Loop(small, slots=3).run(asked))
    assert by_key(found) == wanted


def test_rows_beside_may_be_without_drafts(small: Model) -> None:
    asked = rows(small, 7)
    wanted = list(Loop(small, slots=1).run(plain(asked)))
    some = [replace(row, drafters=()) if n % 2 else row for n, row in enumerate(asked)]
    with always(told(small, wanted, 0.9, 7)):
        found = list(Loop(small, slots=5).run(some))
    assert by_key(found) == by_key(wanted)
    drafted = {result.key: result.stats.drafted_tokens for result in found}
    assert all(bool(drafted[row.key]) <= bool(row.drafters) for row in some)
    assert any(drafted.values())


def test_nothing_is_drafted_where_it_does_not_pay(
    small: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = rows(small, 1)
    wanted = list(Loop(small, slots=1).run(plain(asked)))
    with always(told(small, wanted, 0.9, 1)), monkeypatch.context() as patch:
        patch.setattr("tether.decoding.drafts.pace.Pace.count", lambda *_: 0)
        found = list(Loop(small, slots=2).run(asked))
    assert by_key(found) == by_key(wanted)
    assert sum(result.stats.drafted_tokens for result in found) == 0
