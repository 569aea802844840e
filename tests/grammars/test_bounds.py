from __future__ import annotations

from typing import Any

import pytest

from tether.grammars.json_schema.bounds import Bounds, bounded

BOUNDS = Bounds(max_string=256, max_items=64)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": "string", "maxLength": 256}),
        (
            {"type": "string", "minLength": 300},
            {"type": "string", "minLength": 300, "maxLength": 300},
        ),
        ({"type": ["string", "null"]}, {"type": ["string", "null"], "maxLength": 256}),
        (
            {"type": "array", "items": {"type": "string"}},
            {"type": "array", "items": {"type": "string", "maxLength": 256}, "maxItems": 64},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}}},
            {
                "type": "object",
                "properties": {"a": {"type": "integer"}},
                "additionalProperties": False,
            },
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            {"anyOf": [{"type": "string", "maxLength": 256}, {"type": "null"}]},
        ),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}},
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string", "maxLength": 256}}},
        ),
    ],
)
def test_open_ends_are_bounded(schema: Any, expected: Any) -> None:
    before = repr(schema)
    assert bounded(schema, BOUNDS) == expected
    assert repr(schema) == before


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"type": "string", "maxLength": 9000},
        {"type": "string", "pattern": "a+"},
        {"type": "string", "format": "date"},
        {"enum": ["a"]},
        {"const": "a"},
        {"type": "integer"},
        {"type": "array", "maxItems": 900, "items": {"type": "integer"}},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True},
        {"type": "object", "properties": {"a": {"type": "null"}}, "patternProperties": {"b": True}},
        {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": {"type": "null"}}, "minProperties": 2},
        # parts that do not decide alone
        {"allOf": [{"type": "string"}, {"minLength": 300}]},
        {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"a": {}}}]},
        {"not": {"type": "string"}},
        {"properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}]},
        {"type": "string", "$ref": "#/$defs/A", "$defs": {"A": {"enum": ["a"]}}},
        {"if": {"type": "string"}, "then": {"minLength": 300}},
    ],
)
def test_the_rest_stays_as_it_is(schema: Any) -> None:
    assert bounded(schema, BOUNDS) == schema


def test_definitions_used_by_composed_parts_stay() -> None:
    schema: Any = {
        "$defs": {
            "Base": {"type": "object", "properties": {"a": {"$ref": "#/$defs/Text"}}},
            "Text": {"type": "string"},
            "Free": {"type": "string"},
        },
        "type": "object",
        "properties": {
            "x": {"allOf": [{"$ref": "#/$defs/Base"}, {"required": ["b"]}]},
            "y": {"$ref": "#/$defs/Free"},
        },
    }
    result: Any = bounded(schema, BOUNDS)
    assert result["$defs"]["Base"] == schema["$defs"]["Base"]
    assert result["$defs"]["Text"] == {"type": "string"}
    assert result["$defs"]["Free"]["maxLength"] == 256
    assert result["additionalProperties"] is False


@pytest.mark.parametrize("reference", ["#", "#/properties/x", "other.json", "#/$defs/missing"])
def test_a_reference_that_cannot_be_followed_stops_bounding(reference: str) -> None:
    schema: Any = {"properties": {"x": {"not": {"$ref": reference}}, "y": {"type": "string"}}}
    assert bounded(schema, BOUNDS) == schema


def test_bounds_can_be_switched_off() -> None:
    schema: Any = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "string"}}},
    }
    assert bounded(schema, Bounds(max_string=0, max_items=0, extras=True)) == schema
