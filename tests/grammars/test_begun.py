"""Values that are not finished: what is still to come is not missed, what is wrong is seen."""

from __future__ import annotations

from typing import Any

import pytest

from tether.grammars.json_schema.begun import begun
from tether.grammars.json_schema.oracle import Oracle

TWO = {"oneOf": [{"required": ["a"]}, {"properties": {"b": {"type": "null"}}, "minProperties": 1}]}


@pytest.mark.parametrize(
    ("schema", "value", "well"),
    [
        ({"required": ["a"], "properties": {"b": {"not": {"const": 1}}}}, {"b": 2}, True),
        ({"required": ["a"], "properties": {"b": {"not": {"const": 1}}}}, {"b": 1}, False),
        ({"minItems": 2, "items": {"multipleOf": 2}}, [4], True),
        ({"minItems": 2, "items": {"multipleOf": 2}}, [3], False),
        ({"contains": {"const": 1}, "uniqueItems": True}, [2], True),
        ({"contains": {"const": 1}, "uniqueItems": True}, [2, 2], False),
        ({"properties": {"o": TWO}}, {"o": {}}, True),
        ({"properties": {"o": TWO}}, {"o": 5}, True),  # both hold: left to the full look
        ({"minItems": 2, "oneOf": [{"minimum": 1}, {"maximum": 5}]}, 3, False),
        ({"minItems": 2, "not": {"required": ["a"]}}, {"a": 1}, False),
        ({"required": ["a"], "$ref": "#/contains", "contains": {}}, {}, False),  # no quick look
        ({"type": "integer"}, 5, False),  # the full look is as quick
    ],
)
def test_a_quick_look(schema: Any, value: Any, well: bool) -> None:
    assert Oracle(schema).begins_well(value) is well


def test_what_is_valid_begins_well() -> None:
    schema: Any = {"$defs": {"a": {"minItems": 1}}, "items": {"$ref": "#/$defs/a"}, "minItems": 1}
    oracle = Oracle(schema)
    values: list[Any] = [[[1]], [[1], [2]], [5]]
    for value in values:
        assert oracle.complaint_about(value) is None
        assert oracle.begins_well(value)


def test_nothing_to_mend_changes_nothing() -> None:
    schema: Any = {
        "properties": {"minItems": {"const": {"required": 1}}},
        "oneOf": [{"not": {}}, True],
    }
    assert begun(schema) == schema
