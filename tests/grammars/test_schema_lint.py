"""What is said about a schema beyond the message table's own examples."""

from __future__ import annotations

import gzip
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tether.grammars.findings import Finding
from tether.grammars.json_schema import schema_findings
from tether.grammars.json_schema.lint import ignored_keywords
from tether.grammars.json_schema.lint.words import word_findings
from tether.grammars.json_schema.walk import KEYWORDS, resolve, subschemas

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TREE: Any = {"$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}}}}
"""A definition that refers to itself, so that its negation cannot be written out."""


def said(schema: Any, words: str) -> Finding:
    found = [finding for finding in schema_findings(schema) if words in finding.message]
    assert found, schema_findings(schema)
    return found[0]


@pytest.mark.parametrize(
    ("schema", "level", "pointer", "words", "cure"),
    [
        ({"minPropertys": 1}, "warning", "/minPropertys", "not a keyword", "'minProperties'"),
        ({"items": {"typ": "string"}}, "warning", "/items/typ", "not a keyword", "'type'"),
        ({"a/b": 1}, "info", "/a~1b", "ignored", "x-"),
        ({"_format": "date"}, "info", "/_format", "ignored", "x-"),
        ({"type": "strin"}, "error", "/type", "breaks the rules", "Correct"),
        ("{", "error", "1:2", "not JSON", "caret"),
        (False, "error", "", "false", "true"),
        ({"$ref": "#/$defs/a"}, "error", "", "cannot be resolved", "$defs"),
        ({"$ref": "https://a.example/b"}, "error", "", "is remote", "--allow-remote"),
        ({"not": {"$ref": "http://a.example/b"}}, "error", "/not", "is remote", "only https"),
        ({"x-tether-verbatm": 1}, "error", "/x-tether-verbatm", "no keyword", "x-tether-verbatim"),
        ({"x-tether-verbatim": 1}, "error", "/x-tether-verbatim", "a boolean or", "Correct"),
        ({"x-tether-max-tokens": True}, "error", "/x-tether-max-tokens", "not true", "Correct"),
        (
            {"properties": {"name": {}}, "required": ["x", "nme"]},
            "warning",
            "/required/1",
            "'nme'",
            "'name'",
        ),
    ],
)
def test_findings(schema: Any, level: str, pointer: str, words: str, cure: str) -> None:
    finding = said(schema, words)
    assert (finding.level, finding.pointer) == (level, pointer)
    assert cure in finding.hint


def test_thousands_of_unknown_keywords_beside_references_cost_little() -> None:
    parts = {f"p{i}": {f"kw{i}": 1, "$ref": "#/$defs/a"} for i in range(5_000)}
    schema: Any = {"properties": parts, "$defs": {"a": {}}}
    began = time.process_time()
    assert len(list(word_findings(schema))) == 5_000
    assert time.process_time() - began < 2  # 0.4 s on a quiet machine, 5 s in their square


def test_keywords_that_are_ignored_are_told_without_an_oracle() -> None:
    schema = {"$ref": "#/nowhere", "typ": 1, "x-tether-verbatim": True, "format": "datetime"}
    found = [finding.pointer for finding in ignored_keywords(json.dumps(schema))]
    assert found == ["/typ"]
    assert ignored_keywords("{") == []
    many = {f"kw{i}": 1 for i in range(5_000)}
    assert 0 < len(ignored_keywords(json.dumps(many))) < 5_000


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum 5 is above maximum 3"),
        (
            {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 2}]},
            "'minimum' at /allOf/0 and 'maximum' at /allOf/1 exclude each other",
        ),
        ({"type": "string", "enum": [1, 2]}, "'type' and 'enum' exclude each other"),
        (
            {"type": "object", "required": ["a"], "additionalProperties": False},
            "'type' and 'additionalProperties', 'required' exclude each other",
        ),
    ],
)
def test_contradictions_name_both_sides(schema: Any, words: str) -> None:
    root = schema_findings(schema)[0]
    assert (root.level, root.pointer) == ("error", "")
    within = schema_findings({"properties": {"p": schema}})
    places = [finding for finding in within if "No value fits at /properties/p" in finding.message]
    assert [finding.level for finding in places] == ["warning"]
    assert words in root.message
    assert words.replace("/allOf", "/properties/p/allOf") in places[0].message


def test_what_is_forbidden_on_purpose_is_no_contradiction() -> None:
    schema = {"properties": {"a": False, "b": {"not": {}}, "c": {"not": True, "title": "no"}}}
    assert schema_findings(schema) == []


def test_branches() -> None:
    schema = {
        "$defs": {"a": {"type": "object", "required": ["x"]}, "b": {"type": "object"}},
        "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}, {"type": "string", "enum": [1]}],
    }
    assert said(schema, "also fits /oneOf/1").pointer == "/oneOf/0"
    assert said(schema, "exclude each other").pointer == "/oneOf/2"
    fine = {"oneOf": [{"required": ["a"], "type": "object"}, {"type": "array"}]}
    assert schema_findings(fine) == []


def test_equal_branches_are_named_once() -> None:
    found = schema_findings({"anyOf": [{"type": "null"}, {"type": "null"}, {"type": "string"}]})
    assert [finding.pointer for finding in found] == ["/anyOf/1"]


@pytest.mark.parametrize(
    ("schema", "pointer", "words"),
    [
        ({"uniqueItems": True, "type": "array"}, "", "moderate: 'uniqueItems'"),
        ({"items": {"type": "string", "maxLength": 2001}}, "/items", "moderate: 'maxLength'"),
        ({"type": "string", "pattern": "(?=a)b"}, "", "moderate: 'pattern'"),
        ({"type": "string", "format": "iri"}, "", "moderate: 'format'"),
        ({"not": {"$ref": "#/$defs/tree"}, **TREE}, "", "heavy: 'not'"),
        (
            {"patternProperties": {"a": {}, "b": {}, "c": {}, "d": {}}},
            "",
            "moderate: 'patternProperties'",
        ),
        ({"oneOf": [{"$ref": "#/$defs/tree"}, {"minLength": 3}], **TREE}, "", "heavy: 'oneOf'"),
        ({"unevaluatedProperties": False}, "", "heavy: 'unevaluatedProperties'"),
        (
            {"uniqueItems": True, "contains": {"const": 1}, "items": {"format": "iri"}},
            "",
            "heavy: 'contains' at the root is judged only where a whole array, object or branch "
            "closes, so that much may be written again; so are 2 other keywords",
        ),
    ],
)
def test_cost(schema: Any, pointer: str, words: str) -> None:
    finding = said(schema, words)
    assert (finding.level, finding.pointer) == ("info", pointer)


@pytest.mark.parametrize(
    "schema",
    [
        {"uniqueItems": True, "items": {"enum": [1, 2, 3]}},
        {"oneOf": [{"type": "string"}, {"type": "null"}]},
        {"not": {"type": "string"}},
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"properties": {"a": {}}, "maxProperties": 1, "minProperties": 1},
        {"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]},
        {"not": {"pattern": "^a"}},
    ],
)
def test_what_the_mask_holds_costs_nothing(schema: Any) -> None:
    assert not [f for f in schema_findings(schema) if f.message.startswith("The cost")]


def test_drafts() -> None:
    old = {"$schema": DRAFT_7, "definitions": {"a": {}}, "items": {"$ref": "#/definitions/a"}}
    assert schema_findings(old) == []
    old["items"]["description"] = "notes may stand there"  # type: ignore[index]
    assert schema_findings(old) == []
    old["items"]["maxLength"] = 3  # type: ignore[index]
    assert said(old, "beside $ref").pointer == "/items/maxLength"
    del old["$schema"]
    assert schema_findings(old) == []


def test_errors_come_first() -> None:
    schema = {"colour": 1, "minPropertys": 1, "type": "string", "enum": [1]}
    levels = [finding.level for finding in schema_findings(schema)]
    assert levels == ["error", "warning", "info"]


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "object", "properties": {"type": {"type": "string"}, "typ": {}}, "x-note": 1},
        {"enum": [{"typ": 1}], "default": {"minPropertys": 2}, "description": "d"},
        {"components": {"schemas": {"A": {"type": "string"}}}, "$ref": "#/components/schemas/A"},
        {"allOf": [{"properties": {"a": {}}}], "properties": {"b": {}}, "required": ["a"]},
        {"$id": "https://a.example/s", "$defs": {"n": {"$id": "n"}}, "items": {"$ref": "n"}},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"type": "string", "x-tether-verbatim": False},
    ],
)
def test_good_schemas_have_no_findings(schema: Any) -> None:
    assert schema_findings(schema) == []


def test_parts_behind_references_are_looked_at_too() -> None:
    schema = {"components": {"A": {"typ": 1}}, "$ref": "#/components/A"}
    assert said(schema, "'typ'").pointer == "/components/A/typ"


def test_walk() -> None:
    schema = {
        "allOf": [{"items": [{"type": "null"}]}, {"$ref": "#/allOf/0"}],
        "properties": {"a/b": {"not": {}}, "c": True},
        "shelf": {"x%y": {"then": {}}},
        "else": {"$ref": "#/shelf/x%25y"},
    }
    places = dict(subschemas(schema))
    assert list(places) == [
        "", "/allOf/0", "/allOf/0/items/0", "/allOf/1", "/properties/a~1b",
        "/properties/a~1b/not", "/else", "/shelf/x%y", "/shelf/x%y/then",
    ]  # fmt: skip
    assert all(resolve(schema, place) is part for place, part in places.items())
    assert resolve(schema, "/allOf/7") is resolve(schema, "/nowhere/at/all") is None
    deep: Any = {}
    for _ in range(2_000):
        deep = {"not": deep}
    assert sum(1 for _ in subschemas(deep)) == 2_001


def _garbage(choose: random.Random, depth: int = 0) -> Any:
    kind = choose.randrange(9) if depth < 5 else 0
    if kind < 3:
        return choose.choice([None, True, 0, -3, 2.5, 10**30, "a", "string", "date", "(", "#/a"])
    if kind == 3:
        return [_garbage(choose, depth + 1) for _ in range(choose.randrange(3))]
    names = [*sorted(KEYWORDS), "x-tether-verbatim", "x-tether-max-tokens", "foo", "a/b"]
    return {choose.choice(names): _garbage(choose, depth + 1) for _ in range(choose.randrange(5))}


def test_garbage_is_no_reason_to_crash(whole: bool) -> None:
    for seed in range(20_000 if whole else 1_000):
        value = _garbage(random.Random(seed))
        if isinstance(value, dict):
            for finding in schema_findings(value):
                assert finding.message.endswith(".")


@pytest.mark.shared
def test_schemas_of_the_world(shared: Path, whole: bool) -> None:
    """Real schemas are looked through without a crash, and few are called refused."""
    refused = total = 0
    with gzip.open(shared / "maskbench" / "visible.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if not whole and number % 8:
                continue
            found = schema_findings(json.loads(line)["schema"])
            total += 1
            refused += any(finding.level == "error" for finding in found)
            assert all(finding.hint for finding in found)
    assert refused <= 0.01 * total
