"""Laws of the terms on real (random) networks: company, identities, forced tokens, routing."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from checkpoints import save_checkpoint
from refusing import Without

from tether.decoding import models
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request, Result, Sampling
from tether.decoding.terms.parse import METHODS, parse_all
from tether.decoding.terms.term import Role
from tether.errors import ModelError
from tether.grammars import Vocabulary, choices, lark, regex

Others = dict[Role, Model]


def loop(family: Others, slots: int = 1) -> Loop:
    others: Others = {role: model for role, model in family.items() if role != "model"}
    return Loop(family["model"], slots=slots, others=others)


def ask(family: Others, key: str, *terms: str, text: str = "the and", **fields: Any) -> Request:
    vocabulary = family["model"].vocabulary
    variants = ("given", "bare", "wrong", "true")
    prompts = {v: tuple(vocabulary.encode(f"{v} {text}")) for v in variants}
    given = {"max_tokens": 16, "prompts": prompts, **fields}
    return Request(key, tuple(vocabulary.encode(text)), terms=parse_all(terms), **given)


def run_one(family: Others, request: Request) -> Result:
    (result,) = loop(family).run([request])
    assert result.finish in ("stop", "limit"), result.message
    return result


CASES = [
    ("cad:1",),
    ("cad:1,adaptive=yes",),
    ("cd:0.7,tau=2",),
    ("cd:1,pure=yes,blind=yes",),
    ("dola:1",),
    ("dola:0.8,layers=1,divergence=reverse",),
    ("icd:1",),
    ("icd:1,by=weights",),
    ("lol:1",),
    ("lqcd:1",),
    ("proxy:1",),
    ("uadf:1",),
    ("fsgen,route=entropy,at=3",),
    ("fsgen:0.5,route=best,at=0.02",),
    ("ead,up=3,down=2.9,window=2,stay=1",),
    ("foreal,first=2,lead=0.7",),
    ("cad:0.5", "dola:0.5", "cd:0.3", "uadf,by=amateur"),
    ("icd:0.5", "fsgen,at=0.1"),
]


def mixed_rows(family: Others) -> list[Request]:
    """Every method, free and constrained, greedy and sampled, beside rows without terms."""
    rng = random.Random(5)
    vocabulary = family["model"].vocabulary
    number = regex(r"-?[0-9]{1,6}(\.[0-9]{1,4})?", vocabulary)
    record = regex(r'\{"identifier":"[a-z]{2,12}","ok":(true|false)\}', vocabulary)
    rows = []
    for index, terms in enumerate([*CASES, (), ()]):
        text = "".join(rng.choice("abcdef ghij") for _ in range(rng.randrange(3, 30)))
        sampling = Sampling(temperature=(0.0, 1.0)[index % 2], seed=index, top_p=0.95)
        constraint = (None, number, record)[index % 3]
        rows.append(
            ask(family, str(index), *terms, text=text, sampling=sampling, constraint=constraint)
        )
    return rows


def test_every_method_has_a_case() -> None:
    named = {text.split(":")[0].split(",")[0] for case in CASES for text in case}
    assert named | {"mvp", "lead"} == set(METHODS)  # which have tests of their own


def told(result: Result) -> tuple[Any, ...]:
    return result.tokens, result.stats.expert_tokens, result.stats.view_forwards


def test_company_does_not_change_a_row(family: Others) -> None:
    rows = mixed_rows(family)
    alone = {row.key: run_one(family, row) for row in rows}
    for slots in (3, 7, 20):
        together = {result.key: result for result in loop(family, slots).run(rows)}
        assert {k: told(r) for k, r in together.items()} == {k: told(r) for k, r in alone.items()}


def test_terms_change_texts(family: Others) -> None:
    """Else the laws below would hold of nothing."""
    hot = Sampling(temperature=1.0, seed=3)
    plain = run_one(family, ask(family, "x", sampling=hot)).tokens
    changed = [
        run_one(family, ask(family, "x", *terms, sampling=hot)).tokens != plain for terms in CASES
    ]
    assert sum(changed) >= len(CASES) // 3, changed


def test_equal_prompts_give_the_plain_text(family: Others) -> None:
    plain = run_one(family, ask(family, "x", max_tokens=24))
    prompt = ask(family, "x").prompt
    for terms in (("cad:2",), ("icd:2",), ("lqcd:2",)):
        same: dict[str, Any] = {
            "prompts": dict.fromkeys(("given", "bare", "wrong"), prompt),
            "max_tokens": 24,
        }
        assert run_one(family, ask(family, "x", *terms, **same)).tokens == plain.tokens


def test_models_alike_change_nothing(family: Others) -> None:
    twins: Others = dict.fromkeys(family, family["model"])
    plain = run_one(family, ask(family, "x", max_tokens=24))
    for terms in (("cd:0.8,head=0",), ("proxy:3",), ("fsgen,at=1",), ("foreal,first=3",)):
        assert run_one(twins, ask(family, "x", *terms, max_tokens=24)).tokens == plain.tokens


@pytest.mark.parametrize(
    ("never", "always"),
    [
        ("fsgen,route=entropy,at=99", "fsgen,route=entropy,at=0"),
        ("ead,up=99,down=0", "ead,up=0,down=0,stay=0"),
        ("foreal,first=0", "foreal,first=99"),
        ("foreal,lead=0", "foreal,first=99,lead=1"),
    ],
)
def test_routers_at_their_extremes_are_one_model(family: Others, never: str, always: str) -> None:
    expert: Others = {**family, "model": family["expert"]}
    model_alone, expert_alone = (run_one(f, ask(family, "x")) for f in (family, expert))
    led = run_one(family, ask(family, "x", never))
    assert led.tokens == model_alone.tokens
    assert led.stats.view_forwards == led.stats.expert_tokens == 0
    led = run_one(family, ask(family, "x", always))
    first = 1 if always.startswith("ead") else 0  # the first token has no entropy before it
    assert led.stats.expert_tokens == led.stats.forwards - first
    if not first:
        assert led.tokens == expert_alone.tokens


def test_collaboration_grows_with_the_threshold(family: Others) -> None:
    counts = [
        run_one(family, ask(family, "x", f"fsgen,at={at}", text=text)).stats.expert_tokens
        for text in ("the and",)
        for at in (0, 0.002, 0.005, 0.01, 1)
    ]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] > 0


def test_forced_tokens_pay_for_no_view(family: Others) -> None:
    """One legal text: nothing runs. Then one choice after a long forced run: one catch-up."""
    vocabulary = family["model"].vocabulary
    only = choices(["the only possible answer"], vocabulary)
    result = run_one(family, ask(family, "x", "cd:1", constraint=only, max_tokens=40))
    assert result.text == "the only possible answer"
    assert result.stats.view_forwards == result.stats.forwards == 0
    fork = choices(["the only possible answer is no", "the only possible answer is 10"], vocabulary)
    result = run_one(family, ask(family, "x", "cd:1", constraint=fork, max_tokens=40))
    assert result.stats.output_tokens > result.stats.view_forwards + 4
    assert 0 < result.stats.view_forwards <= result.stats.forwards


def test_what_is_taken_back_is_taken_back_from_every_view(family: Others) -> None:
    """What is said instead is what the exact grammar says, where nothing is ever taken back."""
    vocabulary = family["model"].vocabulary
    for terms in CASES:
        whole = lark("start: T\nT: /[abhet]{6,8}/\n", vocabulary)
        first = run_one(family, ask(family, "x", *terms, constraint=whole)).text
        rest = f"start: T\nT: /[abhet]{{6,8}}/ & ~/{first}[abhet]*/\n"
        exact = run_one(family, ask(family, "x", *terms, constraint=lark(rest, vocabulary)))
        guarded = ask(family, "x", *terms, constraint=Without(whole, [first]))
        (again,) = loop(family).run([guarded])
        assert again.stats.taken_back_tokens > 0
        if terms[0].split(",")[0] not in ("ead", "foreal"):  # a shorter way is no other way
            assert again.text == exact.text


def test_thoughts_are_contrasted_and_hold_no_control_tokens(family: Others) -> None:
    (pad,) = family["model"].vocabulary.special_ids - {family["model"].vocabulary.eos_id}
    pushed = Sampling(temperature=1.0, logit_bias={pad: 100.0})
    answer = choices(["yes", "no"], family["model"].vocabulary)
    fields: dict[str, Any] = {"think": "</think>", "constraint": answer, "sampling": pushed}
    thoughts = set()
    for terms in ((), ("cad:2",), ("cd:2,head=0",), ("foreal,first=9",)):
        result = run_one(family, ask(family, "x", *terms, **fields))
        assert result.text in ("yes", "no")
        assert pad not in result.tokens
        thoughts.add(result.thought)
    assert len(thoughts) > 1


def test_a_row_without_its_models_fails_alone(family: Others) -> None:
    rows = [ask(family, "bad", "cd"), ask(family, "deep", "dola,layers=9"), ask(family, "good")]
    results = {result.key: result for result in Loop(family["model"], slots=3).run(rows)}
    assert "--amateur" in results["bad"].message
    assert "no layer 9" in results["deep"].message
    assert results["good"].finish in ("stop", "limit")


def test_another_vocabulary_is_refused(family: Others) -> None:
    tokens = list(family["model"].vocabulary.tokens)
    tokens[5], tokens[6] = tokens[6], tokens[5]
    other = Vocabulary.from_tokens(tokens, family["model"].vocabulary.eos_id)
    with pytest.raises(ModelError, match="other tokens"):
        Loop(family["model"], others={"amateur": replace(family["amateur"], vocabulary=other)})


def test_heads_of_another_size(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Columns beyond the shorter head are padding: a view says nothing of them, nor may a text."""
    sizes = (290, 320)  # the tokenizer has 290
    found = []
    for size in sizes:
        directory = tmp_path_factory.mktemp(f"head{size}")
        save_checkpoint(directory, "llama", vocab_size=size)
        found.append(models.load(str(directory), dtype="float32"))
    tokens = sum(bool(text) for text in found[0].vocabulary.tokens)
    for model, other in (found, found[::-1]):
        others: Others = {"model": model, "amateur": other, "expert": other}
        for terms in (("cd:1,head=0",), ("proxy",), ("uadf",), ("fsgen,at=1",)):
            result = run_one(others, ask(others, "x", *terms, sampling=Sampling(temperature=2.0)))
            assert max(result.tokens) < tokens
