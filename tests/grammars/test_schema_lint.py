from __future__ import annotations

from typing import Any

import pytest

from tether.grammars.json_schema import schema_findings


@pytest.mark.parametrize(
    ("schema", "level", "pointer", "said", "cure"),
    [
        ({"minPropertys": 1}, "warning", "/minPropertys", "not a keyword", "'minProperties'"),
        (
            {"properties": {"a": {"typ": "string"}}},
            "warning",
            "/properties/a/typ",
            "not a",
            "'type'",
        ),
        ({"colour": 1}, "info", "/colour", "ignored", "x-"),
        ({"minimum": 5, "maximum": 3}, "error", "", "nothing fits", "correct"),
        ({"items": {"minLength": 5, "maxLength": 3}}, "error", "/items", "nothing fits", "correct"),
        ({"type": "integer", "enum": [1, "2"]}, "warning", "", "'2'", "type"),
        ({"type": "integer", "maxLength": 3}, "warning", "/maxLength", "about a string", "Remove"),
        ({"properties": {"name": {}}, "required": ["nme"]}, "warning", "", "'nme'", "'name'"),
        (
            {"properties": {"a": {}}, "required": ["zz"], "additionalProperties": False},
            "error",
            "",
            "nothing fits",
            "Describe",
        ),
        ({"type": "strin"}, "error", "/type", "breaks the rules", "Correct"),
        ("{", "error", "1:2", "not JSON", "caret"),
        (False, "error", "", "false", ""),
        ({"items": {"not": {}}}, "error", "/items", "'not'", "allowed instead"),
    ],
)
def test_findings(schema: Any, level: str, pointer: str, said: str, cure: str) -> None:
    found = [f for f in schema_findings(schema) if said in f.message]
    assert found
    assert (found[0].level, found[0].pointer) == (level, pointer)
    assert cure in found[0].hint


def test_every_refusal_is_found() -> None:
    schema = {
        "properties": {
            "a": {"not": {"const": 1}},
            "b": {"type": "string", "format": "path"},
            "c": {"uniqueItems": True, "contains": {"const": 1}},
        }
    }
    found = {(f.pointer, f.message.split("'")[1]) for f in schema_findings(schema)}
    assert found == {
        ("/properties/a", "not"),
        ("/properties/b", "format"),
        ("/properties/c", "uniqueItems"),
        ("/properties/c", "contains"),
    }


def test_errors_come_first() -> None:
    levels = [f.level for f in schema_findings({"colour": 1, "minPropertys": 1, "enum": []})]
    assert levels == sorted(levels, key=["error", "warning", "info"].index)
    assert levels[0] == "error"


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "object", "properties": {"type": {"type": "string"}, "typ": {}}, "x-note": 1},
        {"enum": [{"typ": 1}], "default": {"minPropertys": 2}, "description": "d"},
    ],
)
def test_good_schemas_have_no_findings(schema: Any) -> None:
    assert schema_findings(schema) == []
