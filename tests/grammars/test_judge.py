"""Values are judged as they close; only what no further text can mend is refused."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tether.grammars.json_schema.judge import JsonJudge
from tether.grammars.json_schema.oracle import Oracle
from tether.grammars.json_schema.scanner import Close, State, closers, finish, path, scan

EVEN = {"type": "array", "items": {"multipleOf": 2}, "uniqueItems": True}
IF = {
    "if": {"required": ["x"]},
    "then": {"properties": {"b": {"type": "integer"}}},
    "else": {"properties": {"b": {"type": "string"}}},
}


@pytest.mark.parametrize(
    ("schema", "text", "refused"),
    [
        (EVEN, "[2,4,3,", '3'),
        (EVEN, "[2,4,2]", "2"),
        (EVEN, "[2,4,3", None),  # it may become 32
        ({"properties": {"a": {"not": {"const": "x"}}}}, '{"a":"x"', '"x"'),
        ({"properties": {"a": {"not": {"const": "x"}}}}, '{"a":"xx"', None),
        ({"required": ["b"]}, '{"a":1,', None),
        ({"required": ["b"]}, '{"a":1}', '{"a":1}'),
        ({"contains": {"const": 5}}, "[1,2,3,", None),
        ({"contains": {"const": 5}}, "[1,2,3]", "[1,2,3]"),
        ({"minItems": 3}, "[[],", None),
        ({"items": {"contains": {"const": 5}}}, "[[5],[1],", "[1]"),
        ({"propertyNames": {"not": {"const": "a"}}}, '{"a":1,', "1"),
        ({"maxProperties": 1}, '{"a":1,"b":2,', "2"),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, '{"a":1,"b":2,', None),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, '{"a":1,"b":2}', "{"),
        ({"items": {"uniqueItems": True}}, '[[[1],[1', None),
        ({"items": {"uniqueItems": True}}, '[[[1],[1]', "[1]"),
        ({"items": {"uniqueItems": True}}, "[[1,1", None),
        ({"items": {"uniqueItems": True}}, "[[1,1,", "1"),
        (IF, '{"b":1,', None),  # x may come
        ({"$ref": "#/definitions/items", "definitions": {"items": IF}}, '{"b":1,', None),
        (IF, '{"b":1}', "{"),
        (IF, '{"b":1,"x":0}', None),
        ({"properties": {"o": IF}}, '{"o":{"b":1},', '{"b"'),
        ({"if": {"minItems": 2}, "else": {"type": ["integer"]}}, "[1,{}]", None),
        ({"properties": {"1": {"required": ["x"]}}}, '{"1":{"1":2,', None),
        ({"properties": {"1": {"required": ["x"]}}}, '{"1":{"1":2}', '{"1":2}'),
        ({"properties": {"": {"required": ["x"]}}}, '{"":{"a":2,', None),
        ({"properties": {"": {"required": ["x"]}}}, '{"":{"a":2}}', '{"":'),
        ({}, '{"a":1,"a"', '"a"'),
        ({}, '{"a":1,"\\u0061"', '"\\u0061"'),
        ({}, '{"a":{"a":1},"b":{"a"', None),
        ({"type": "string", "pattern": "^(a|b)+$"}, '"abc"', '"abc"'),
    ],
)  # fmt: skip
def test_values_are_refused_as_they_close(schema: Any, text: str, refused: str | None) -> None:
    judge, data = JsonJudge(Oracle(schema), watches=True), text.encode()
    state = judge.start()
    for end in range(1, len(data) + 1):
        state, refusal = judge.advance(state, data[:end])
        if refusal:
            assert refused is not None, f"{data[: refusal.end]!r} is refused"
            assert data[refusal.start :].startswith(refused.encode())
            return
    assert refused is None, "nothing is refused"


def test_the_scanner_finds_the_values_of_any_text_in_any_pieces() -> None:
    rng = random.Random(1)
    for _ in range(200):
        value = _value(rng, 3)
        text = json.dumps(value, indent=rng.choice((None, 1))).encode()
        state, closes = State(), []
        while state.length < len(text):
            state, found = scan(state, text[: state.length + rng.randint(1, 9)])
            closes += found
        closes += finish(state)
        values = [json.loads(text[c.start : c.end]) for c in closes if not c.is_key]
        assert values == _in_closing_order(value)
        keys = [json.loads(text[c.start : c.end]) for c in closes if c.is_key]
        assert keys == _keys(value)
        for close in closes:
            _check_place(text, close, value)


def _check_place(text: bytes, close: Close, value: Any) -> None:
    if close.is_key:
        return
    for step in path(close.frame):
        value = value[step]
    begun = json.loads(text[: close.end] + closers(close.frame))
    for step in path(close.frame):
        begun = begun[step]
    if close.frame:  # the open container so far holds the first members of the whole one
        assert list(begun) == list(value)[: len(begun)]


def _value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(7 if depth else 5)
    if kind == 5:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {f'k"{i}\\': _value(rng, depth - 1) for i in range(rng.randrange(4))}
    return rng.choice([None, True, -1.5e-7, 12, "", 'a"b\\', "\\", "é{[,:]}"])


def _in_closing_order(value: Any) -> list[Any]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [v for part in parts for v in _in_closing_order(part)] + [value]


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [k for key, part in value.items() for k in (key, *_keys(part))]
    return [k for part in value for k in _keys(part)] if isinstance(value, list) else []


def test_what_lies_deep_is_judged_further_out() -> None:
    judge, deep = JsonJudge(Oracle({"$defs": {}, **_nested(40)}), watches=True), b"[" * 40
    _, refusal = judge.advance(judge.start(), deep + b"[3,")
    assert refusal is None
    _, refusal = judge.advance(judge.start(), deep + b"[3" + b"]" * 30)
    assert refusal is not None


def _nested(depth: int) -> Any:
    """Even numbers within as many arrays as are written."""
    schema: Any = {"multipleOf": 2}
    for _ in range(depth + 1):
        schema = {"items": schema}
    return schema


def test_containers_that_the_mask_holds_are_given_a_quick_look_only() -> None:
    schema: Any = {"properties": {"a": {"required": ["b"]}}, "required": ["c"], "minProperties": 2}
    text = b'{"a":{},'
    for containers, is_refused in ((True, True), (False, False)):
        judge = JsonJudge(Oracle(schema), watches=True, containers=containers)
        assert bool(judge.advance(judge.start(), text)[1]) is is_refused
        judge.watch()
        assert judge.advance(judge.start(), text)[1]
    judge = JsonJudge(Oracle({"items": {"multipleOf": 2}}), watches=True, containers=False)
    assert judge.advance(judge.start(), b"[4,3,")[1], "what it holds not is judged as ever"
