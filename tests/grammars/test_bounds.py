"""Bounds close what a schema leaves open, where text is generated, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.vocabulary import Vocabulary

BOUNDS = Bounds(max_string=5, max_items=2)


def _accepts(vocab: Vocabulary, schema: Any, bounds: Bounds | None, value: Any) -> bool:
    constraint = json_schema(schema, vocab, bounds=bounds)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    tokens = [*vocab.encode(text), vocab.eos_id]
    return constraint.start().prefix_length(tokens) == len(tokens)


@pytest.mark.parametrize(
    ("schema", "within", "beyond"),
    [
        ({"type": "string"}, "abcde", "abcdef"),
        ({"type": "string", "minLength": 7}, "abcdefg", "abcdefgh"),
        ({"type": "array"}, [1, 2], [1, 2, 3]),
        ({"type": "array", "minItems": 3}, [1, 2, 3], [1, 2, 3, 4]),
        ({"type": "array", "items": {"type": "string"}}, ["abcde"], ["abcdef"]),
        ({"properties": {"a": {"type": "null"}}}, {"a": None}, {"a": None, "x": 1}),
        ({"type": "string", "pattern": "^a+$"}, "aaaaa", "aaaaaa"),
        ({"properties": {"a": {"type": "string"}}}, {"a": "abcde"}, {"a": "abcdef"}),
        ({"$defs": {"s": {"type": "string"}}, "items": {"$ref": "#/$defs/s"}}, ["a"], ["abcdef"]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "abcde", "abcdef"),
        ({"type": "number"}, 12.5, 10**40),
    ],
)
def test_open_ends_are_bounded(
    byte_vocab: Vocabulary, schema: Any, within: Any, beyond: Any
) -> None:
    assert _accepts(byte_vocab, schema, BOUNDS, within)
    assert not _accepts(byte_vocab, schema, BOUNDS, beyond)
    assert _accepts(byte_vocab, schema, None, beyond)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "maxLength": 9}, "abcdefghi"),
        ({"type": "string", "pattern": "^(abc){3,}$"}, "abcabcabcabc"),
        ({"enum": ["a long text", 3]}, "a long text"),
        ({"type": "array", "maxItems": 4}, [1, 2, 3, 4]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"x": 1, "y": 2}),
        ({"type": "object"}, {"x": 1}),
        ({"required": ["a"], "type": "object"}, {"a": 1}),
        ({"properties": {"a": {}}, "minProperties": 2}, {"a": 1, "x": 1}),
        ({"properties": {"a": {}}, "required": ["b"]}, {"a": 1, "b": 1}),
    ],
)
def test_what_the_schema_asks_for_stays(byte_vocab: Vocabulary, schema: Any, value: Any) -> None:
    assert _accepts(byte_vocab, schema, BOUNDS, value)


def test_bounds_can_be_switched_off(byte_vocab: Vocabulary) -> None:
    off = Bounds(max_string=0, max_items=0, extras=True)
    schema = {"properties": {"a": {"type": "string"}, "b": {"type": "array"}}}
    value = {"a": "x" * 400, "b": list(range(9)) * 10, "c": 1}
    assert _accepts(byte_vocab, schema, off, value)
