"""Rows with contrast and evidence are drafted, each method that says so, and say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from draft_cases import Told, always
from refusing import Without

from tether.decoding import models
from tether.decoding.grounds.ground import Given
from tether.decoding.grounds.ground import Told as Passage
from tether.decoding.grounds.parse import bind_all
from tether.decoding.grounds.parse import parse_all as grounds_of
from tether.decoding.knob.steer import Steer, Turning
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request, Result, Sampling
from tether.decoding.terms.parse import METHODS, parse_all
from tether.decoding.terms.term import Role
from tether.grammars import lark, regex
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.sparql import sparql
from tether.grounding.chances import Chances
from tether.grounding.evidence import Source
from tether.grounding.graph.graph import Graph
from tether.grounding.transfer import Transfer
from tether.grounding.witness import Gaze, Surety

Others = dict[Role, Model]
CASES = {
    "cad": ("cad:1,adaptive=yes",),
    "cd": ("cd:0.7,tau=2,blind=yes",),
    "dola": ("dola:1,layers=1",),
    "ead": ("ead,up=3,down=2.9,window=2,stay=1",),
    "foreal": ("foreal,first=2,lead=0.7",),
    "fsgen": ("fsgen:0.5,route=best,at=0.02", "icd:0.5"),
    "icd": ("icd:1", "dola:0.5"),
    "lol": ("lol:1",),
    "lqcd": ("lqcd:1",),
    "proxy": ("proxy:1",),
    "uadf": ("uadf:1,by=bare", "cd:0.4"),
}
TEXT = "the and or an identifier is ok and 10 in the other"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ask(model: Model, key: str, heat: float, **fields: Any) -> Request:
    vocabulary = model.vocabulary
    variants = ("given", "bare", "wrong", "true", "short")
    prompts = {v: tuple(vocabulary.encode(f"{v} {TEXT[: 4 * len(v)]}")) for v in variants}
    sampling = Sampling(temperature=heat, seed=len(key), top_p=0.95)
    given = {"max_tokens": 20, "prompts": prompts, "sampling": sampling, **fields}
    return Request(key, tuple(vocabulary.encode(TEXT)), drafters=("told",), **given)


def run(family: Others, asked: Sequence[Request], slots: int) -> dict[str, Result]:
    others: Others = {role: model for role, model in family.items() if role != "model"}
    found = Loop(family["model"], slots=slots, others=others).run(asked)
    return {result.key: result for result in found}


def accepted(family: Others, asked: Sequence[Request], heard: Any = None) -> int:
    """Check that texts are the same with drafts that are mostly true; how many tokens were."""
    wanted = run(family, [replace(each, drafters=()) for each in asked], 2)
    texts = {key: result.tokens for key, result in wanted.items()}
    count = 0
    for slots, truth in ((1, 1.0), (4, 0.9)):
        with always(Told(texts, truth, slots, family["model"].vocabulary.size)):
            found = run(family, asked, slots)
        assert {key: result.tokens for key, result in found.items()} == texts
        for key, result in found.items():
            was, now = wanted[key].stats, result.stats
            assert (now.expert_tokens, now.view_forwards) == (was.expert_tokens, was.view_forwards)
        count += sum(result.stats.accepted_tokens for result in found.values())
    return count


def test_every_method_that_drafts_has_a_case() -> None:
    assert set(CASES) == {name for name, method in METHODS.items() if method.drafts}
    assert {name for name, method in METHODS.items() if not method.drafts} == {"lead", "mvp"}


@pytest.mark.parametrize("name", CASES)
def test_terms(family: Others, name: str) -> None:
    vocabulary = family["model"].vocabulary
    record = regex(r'\{"identifier":"[a-z]{2,12}","ok":(true|false)\}', vocabulary)
    whole = lark("start: T\nT: /[abhet]{6,8}/\n", vocabulary)
    refused = Without(whole, ["hehehe", "ababab", "tttttt"])
    terms = parse_all(CASES[name])
    asked = [
        ask(family["model"], f"{kind} {heat}", heat, terms=terms, constraint=constraint)
        for kind, constraint in (("free", None), ("record", record), ("refused", refused))
        for heat in (0.0, 1.1)
    ]
    asked.append(replace(asked[0], key="plain beside", terms=()))
    assert accepted(family, asked) > 30


def given(model: Model) -> Given:
    told = Passage(TEXT, tuple(model.vocabulary.encode(TEXT)), 0)
    return Given(model, (told,), "the other identifier")


@pytest.mark.parametrize(
    "ground",
    [
        "grad:9",
        "knn:0.5",
        "caad:0.5,least=-1",
        "caad,fusion=convex,least=-1",
        "kid:2",
        "copy,by=ngram",
    ],
)
def test_sources(family: Others, ground: str) -> None:
    model = family["model"]
    sources = bind_all(grounds_of([ground]), given(model))
    assert sources
    asked = [
        ask(model, f"{heat} {len(constraint or '')}", heat, sources=sources,
            constraint=constraint and regex(constraint, model.vocabulary))
        for heat in (0.0, 1.1) for constraint in (None, "[a-z ]{5,30}")
    ]  # fmt: skip
    asked.append(replace(asked[-1], key="both", terms=parse_all(["cad:0.5"])))
    assert accepted(family, asked) > 20


def test_what_a_short_prompt_says(family: Others) -> None:
    asked = [ask(family["model"], f"{n}", n * 1.0, sources=(Transfer(4.0),)) for n in range(2)]
    assert accepted(family, asked) > 10


def test_watchers_see_what_they_saw(family: Others) -> None:
    model = family["model"]
    [plain] = [ask(model, "x", 0.8, max_tokens=24)]
    wanted = run(family, [replace(plain, drafters=())], 1)["x"].tokens
    seen = []
    for drafters in ((), ("told",)):
        chances, surety = Chances(2), Surety()
        gaze = Gaze([np.arange(4), np.arange(3, 9)], ((0, 0), (1, 1)))
        asked = replace(plain, drafters=drafters, sources=(chances, surety, gaze))
        with always(Told({"x": wanted}, 1.0, 1, model.vocabulary.size)):
            result = run(family, [asked], 1)["x"]
        assert bool(result.stats.accepted_tokens) == bool(drafters)
        told = chances.told(result.tokens, result.stats.output_tokens)
        least = surety.least(result.tokens, result.stats.output_tokens)
        seen.append(([chance.log_p for chance in told], least, gaze.attention()))
    assert min(seen[0][2]) > 0
    for with_drafts, without in zip(seen[1], seen[0], strict=True):
        assert with_drafts == pytest.approx(without, abs=1e-5)


def test_copies_of_the_evidence() -> None:
    """The heads of the shipped model are watched at drafted tokens, those on side paths too."""
    model = models.load(dtype="float32")
    told = [
        "Ada Byrne of Kell Mills ordered 412 lamps.",
        "Order 771 went to Bo Ferro at Dunn Works.",
    ]
    record = {"type": "object", "required": ["name", "order"], "additionalProperties": False}
    record |= {"properties": {"name": {"type": "string"}, "order": {"type": "string"}}}
    asked = []
    for number, text in enumerate(told):
        prompt = encode(model, Prompt(text, fields="name, order"))
        tokens = tuple(model.vocabulary.encode(text))
        start = next(at for at in range(len(prompt)) if prompt[at : at + len(tokens)] == tokens)
        passage = Passage(text, tokens, start)
        sources = bind_all(grounds_of(["copy"]), Given(model, (passage,), "name, order"))
        asked += [
            Request(
                f"{number} {heat}", prompt, json_schema(record, model.vocabulary, bounds=Bounds()),
                Sampling(temperature=heat, seed=3), 60, sources=sources, drafters=("told",),
            )
            for heat in (0.0, 1.0)
        ]  # fmt: skip
    assert accepted({"model": model}, asked) > 40


def test_turned_rows(family: Others) -> None:
    model = family["model"]
    width = model.network.head_width
    steer = Steer(1, torch.nn.functional.normalize(torch.arange(width) % 5.0, dim=0), 9.0)
    asked = [ask(model, f"{n}", n * 1.0, sources=(Turning(steer),)) for n in range(2)]
    plain = run(family, [replace(asked[0], sources=(), drafters=())], 1)
    turned = run(family, [replace(asked[0], drafters=())], 1)
    assert plain["0"].tokens != turned["0"].tokens
    assert accepted(family, asked) > 10


def test_what_needs_the_cache_again_is_not_drafted(family: Others) -> None:
    model = family["model"]
    sources = bind_all(grounds_of(["kid,faithful=yes"]), given(model))
    asked = ask(model, "x", 0.0, sources=sources, max_tokens=6)
    with always(Told({"x": (5,) * 6}, 1.0, 1, 100)):
        assert run(family, [asked], 1)["x"].stats.drafted_tokens == 0


def test_links_of_a_graph(graph: Graph) -> None:
    model = models.load(dtype="float32")
    look = graph.lookup(model.vocabulary.key, model.vocabulary.encode)
    questions = ("Find Heinrich Hoch's department.", "How many products are made in Poland?")

    def links(question: str) -> tuple[Source, ...]:
        return bind_all(grounds_of(["link"]), Given(model, (Passage(question, ()),), graph=graph))

    asked = [
        Request(
            f"{question} {heat}",
            encode(model, Prompt(question, query="anything")),
            sparql(model.vocabulary, graph=look, guarantee="adjacent"),
            Sampling(temperature=heat),
            80,
            sources=links(question),
            drafters=("told",),
        )
        for question in questions
        for heat in (0.0, 0.5)
    ]
    assert accepted({"model": model}, asked) > 20
