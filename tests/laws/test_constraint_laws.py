"""The laws of grammars/constraint.py on every implementation of them.

`CONSTRAINTS` is the one place to add an implementation; a test holds that none is missing.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from tiny_graph import TinyGraph

import tether.grammars
from tether.errors import InternalError
from tether.grammars import laws
from tether.grammars.constraint import Constraint, Matcher
from tether.grammars.dead import DeadConstraint
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.languages import choices, gbnf, lark, regex
from tether.grammars.product import All
from tether.grammars.sparql import sparql
from tether.grammars.verbatim import Evidence, verbatim_text
from tether.grammars.vocabulary import Vocabulary
from tether.graphs import Level

ORDER = {
    "type": "object",
    "properties": {
        "orderId": {"type": "integer"},
        "orderName": {"type": "string"},
        "tags": {"type": "array", "items": {"enum": ["a", "ab"]}},
    },
    "required": ["orderId"],
}
EVIDENCE = Evidence(['the "ab\\c" name é,\n12', "abc the 👋 order"])
FILLED = {
    "type": "object",
    "x-tether-verbatim": {"min_length": 3},
    "properties": {
        "quote": {"type": "string", "maxLength": 6},
        "doc": {"type": "string"},
        "start": {"type": "integer"},
    },
}
QUOTES = {"type": "array", "items": {"x-tether-verbatim": True, "pattern": "^[ab1]|e$"}}


def _graph(vocabulary: Vocabulary) -> TinyGraph:
    """Names that begin alike, and one that is the beginning of another."""
    facts = [(":a", ":p", ":b"), (":b", ":q", ":c"), (":b", "a", ":C"), (":c", ":p", "12")]
    facts.append((":a", ":pq", '"the name"'))
    return TinyGraph(facts, vocabulary, {"": "http://x#"})


def _sparql(vocabulary: Vocabulary, level: Level) -> Constraint:
    return sparql(vocabulary, graph=_graph(vocabulary), guarantee=level)


CONSTRAINTS: dict[str, Callable[[Vocabulary], Constraint]] = {
    "schema, exact": lambda v: json_schema(ORDER, v),
    "schema, bounded": lambda v: json_schema(ORDER, v, bounds=Bounds(max_string=5, max_items=2)),
    "schema, flexible": lambda v: json_schema(ORDER, v, whitespace="flexible"),
    "schema, scalar": lambda v: json_schema({"type": "integer", "minimum": 10, "maximum": 130}, v),
    "regex": lambda v: regex(r"(abc|ab)+[0-9]{2,3}é?", v),
    "regex, anything": lambda v: regex(r"(?s:.)*", v),
    "choices": lambda v: choices(["the name", "the names", "", "true"], v),
    "lark": lambda v: lark('start: "[" item ("," item)* "]"\nitem: /[a-z]{1,4}/ | start\n', v),
    "gbnf": lambda v: gbnf('root ::= "b" "c" | "bcd" | [^ab] root\n', v),
    "verbatim, schema": lambda v: json_schema(
        {"type": "object", "properties": {"a": {**QUOTES, "minItems": 1, "maxItems": 3}}},
        v,
        bounds=Bounds(),
        evidence=EVIDENCE,
    ),
    "verbatim, filled": lambda v: json_schema(FILLED, v, bounds=Bounds(), evidence=EVIDENCE),
    "verbatim, text": lambda v: verbatim_text(EVIDENCE, v, least=4),
    "sparql": lambda v: sparql(v, graph=_graph(v), guarantee="syntax"),
    **{
        f"sparql, {level}": partial(_sparql, level=level)
        for level in ("vocabulary", "adjacent", "nonempty")
    },
    "all": lambda v: All(regex("[abc]*", v), regex("a.{0,9}", v), choices(["abc", "abca"], v)),
}


def _vocabulary() -> Vocabulary:
    longer = [b'{"', b'":', b'"}', b'"orderId"', b"order", b"Id", b"true", b"name", b"the", b" "]
    longer += [b"ab", b"abc", b"[[", b"]]", "é".encode(), b"\xc3", b"12"]
    return Vocabulary.from_tokens(
        [b"<eos>", *(bytes([i]) for i in range(256)), *longer, b"", b"<pad>"],
        eos_id=0,
        special_ids=[len(longer) + 258],
    )


VOCABULARY = _vocabulary()


@pytest.fixture(scope="module", params=CONSTRAINTS, name="constraint")
def _constraint(request: pytest.FixtureRequest) -> Constraint:
    return CONSTRAINTS[request.param](VOCABULARY)


def _states(constraint: Constraint, seeds: int = 2, steps: int = 14) -> Iterator[Matcher]:
    for seed in range(seeds):
        yield from laws.walk(constraint, seed, steps)


def test_no_implementation_is_missing() -> None:
    for module in pkgutil.walk_packages(tether.grammars.__path__, "tether.grammars."):
        importlib.import_module(module.name)
    known = {type(make(VOCABULARY)) for make in CONSTRAINTS.values()} | {DeadConstraint}
    waiting = list(Constraint.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("tether."):
            assert kind in known, f"{kind.__name__} is not run through the laws"


def test_mask_law(constraint: Constraint) -> None:
    for matcher in _states(constraint):
        laws.check_mask_law(matcher)


def test_rollback_law(constraint: Constraint) -> None:
    for turn, matcher in enumerate(_states(constraint)):
        laws.check_rollback_law(matcher, seed=turn)


def test_forced_law(constraint: Constraint) -> None:
    for matcher in _states(constraint):
        laws.check_forced_law(matcher)


def test_fork_law(constraint: Constraint) -> None:
    for matcher in _states(constraint):
        laws.check_fork_law(matcher)


def test_prefix_law(constraint: Constraint) -> None:
    dice = random.Random(1)
    for matcher in _states(constraint, seeds=1):
        start = [dice.choice(list(laws.allowed_tokens(matcher)))]
        tail = [dice.randrange(VOCABULARY.size) for _ in range(2)]
        laws.check_prefix_law(matcher, start + tail)
        laws.check_prefix_law(matcher, [*start, VOCABULARY.eos_id, VOCABULARY.eos_id])
    assert matcher.prefix_length([]) == 0


def test_the_end_is_the_oracles(constraint: Constraint) -> None:
    for seed in range(6):
        tokens: list[int] = []
        matcher = constraint.start()
        dice = random.Random(seed)
        for _ in range(40):
            if matcher.can_end:
                text = VOCABULARY.decode_bytes(tokens)
                assert constraint.validate(text.decode()) is None
            going_on = set(laws.allowed_tokens(matcher)) - {VOCABULARY.eos_id}
            if not going_on:
                break
            tokens.append(dice.choice(sorted(going_on)))
            matcher.advance(tokens[-1])


def test_intersection_law() -> None:
    makers = list(CONSTRAINTS.values())[4:6]
    members = [make(VOCABULARY) for make in makers]
    whole = All(*members)
    for seed in range(3):
        parts = [member.start() for member in members]
        previous: tuple[int, ...] = ()
        matcher = whole.start()
        dice = random.Random(seed)
        while not matcher.ended and len(previous) < 12:
            laws.check_intersection_law(matcher, parts)
            token = dice.choice(list(laws.allowed_tokens(matcher)))
            for state in (matcher, *parts):
                state.advance(token)
            previous = (*previous, token)


def test_equal_texts_have_equal_keys(constraint: Constraint) -> None:
    make = CONSTRAINTS[
        next(n for n, m in CONSTRAINTS.items() if m(VOCABULARY).key == constraint.key)
    ]
    assert make(VOCABULARY).key == constraint.key
    assert len({m(VOCABULARY).key for m in CONSTRAINTS.values()}) == len(CONSTRAINTS)
    assert make(VOCABULARY.padded(VOCABULARY.size + 1)).key != constraint.key


def test_what_the_mask_refuses_cannot_be_advanced(constraint: Constraint) -> None:
    matcher = constraint.start()
    before = laws.observe(matcher)
    refused = sorted(set(range(VOCABULARY.size)) - set(before.allowed))
    for token in (*refused[:3], *refused[-3:], VOCABULARY.size + 5, -1):
        with pytest.raises(InternalError):
            matcher.advance(token)
        assert laws.observe(matcher) == before


def test_a_wrong_mask_buffer_is_refused(constraint: Constraint) -> None:
    words = VOCABULARY.num_words
    matcher = constraint.start()
    for wrong in (np.zeros(words + 1, np.int32), np.zeros(2 * words, np.int32)[::2]):
        with pytest.raises(InternalError, match="mask"):
            matcher.fill_mask(wrong)


def test_too_much_rollback_is_refused(constraint: Constraint) -> None:
    matcher = constraint.start()
    matcher.advance(laws.allowed_tokens(matcher)[0])
    with pytest.raises(InternalError):
        matcher.rollback(2)
