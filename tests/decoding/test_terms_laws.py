"""Laws of the terms on real (random) networks: company, identities, forced tokens, routing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request, Result, Sampling
from tether.decoding.terms.parse import METHODS, parse_all
from tether.decoding.terms.term import Role
from tether.grammars import regex

Others = dict[Role, Model]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Others:
    """A model, an amateur and an expert with one tokenizer, in float32 as the shipped one is."""
    found: Others = {}
    roles: tuple[Role, ...] = ("model", "amateur", "expert")
    for seed, role in enumerate(roles):
        directory = tmp_path_factory.mktemp(role)
        save_checkpoint(directory, request.param, seed=seed)
        found[role] = models.load(str(directory), dtype="float32")
    return found


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
    assert {text.split(":")[0].split(",")[0] for case in CASES for text in case} == set(METHODS)


def test_company_does_not_change_a_row(family: Others) -> None:
    rows = mixed_rows(family)
    alone = {row.key: run_one(family, row) for row in rows}
    for slots in (3, 7, 20):
        together = {result.key: result for result in loop(family, slots).run(rows)}
        assert {k: r.tokens for k, r in together.items()} == {k: r.tokens for k, r in alone.items()}
        led = {k: r.stats.expert_tokens for k, r in together.items()}
        assert led == {k: r.stats.expert_tokens for k, r in alone.items()}


def test_terms_change_texts(family: Others) -> None:
    """Else the laws below would hold of nothing."""
    hot = Sampling(temperature=1.0, seed=3)
    plain = run_one(family, ask(family, "x", sampling=hot)).tokens
    changed = [
        run_one(family, ask(family, "x", *terms, sampling=hot)).tokens != plain for terms in CASES
    ]
    assert sum(changed) >= len(CASES) * 3 // 4, changed
