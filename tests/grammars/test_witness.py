"""Values are built where trying finds none; what is said to have no value has none."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from official_suite import read_suite

from tether.errors import DeadEnd, LimitReached, Unsatisfiable
from tether.grammars.constraint import Matcher
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.json_schema.oracle import Oracle
from tether.grammars.json_schema.witness import witness
from tether.grammars.laws import allowed_tokens
from tether.grammars.vocabulary import Vocabulary

WORD = {"pattern": "^([a-f][0-9])+$"}
ROPE = {"type": "object", "properties": {"n": {"$ref": "#/$defs/rope"}}, "required": ["n"]}
"""It never ends."""
STRINGS: list[Any] = [
    {"type": "string", "allOf": [WORD, {"pattern": "(b2d4..){3}"}], "minLength": 40},
    {"type": "string", "allOf": [WORD, {"pattern": "a1$"}, {"not": {"pattern": "^a"}}]},
    {"type": "string", "pattern": "^x*$", "minLength": 3, "not": {"enum": ["xxx", "xxxx"]}},
    {"type": "string", "pattern": "a", "not": {"pattern": "^.?$"}, "maxLength": 2},
]
NUMBERS: list[Any] = [
    {"allOf": [{"multipleOf": 6}, {"multipleOf": 10}, {"minimum": 31}], "type": "number"},
    {"type": "integer", "not": {"anyOf": [{"multipleOf": 2}, {"multipleOf": 3}]}, "minimum": 26},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.1, "not": {"const": 0.01}},
    {"type": "number", "maximum": -7, "multipleOf": 2.5},
]
ARRAYS: list[Any] = [
    {
        "type": "array",
        "oneOf": [
            {"items": {"minimum": 5}, "contains": {"multipleOf": 7}},
            {"items": {"multipleOf": 7}, "contains": {"maximum": 3}},
        ],
        "minItems": 2,
    },
    {"type": "array", "contains": {"const": 1}, "minContains": 2, "maxContains": 2, "minItems": 4},
    {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 3},
    {"type": "array", "not": {"uniqueItems": True}, "items": {"type": "string", "minLength": 2}},
    {"type": "array", "prefixItems": [{"type": "null"}], "not": {"items": {"type": "null"}}},
    {"prefixItems": [{"enum": [1, 2]}, {"const": 1}], "uniqueItems": True}
    | {"type": "array", "minItems": 2},  # the first item leaves the second none to choose
    {"allOf": [{"enum": [[1], [1, 2]]}, {"not": {"enum": [[1], [2, [1]]]}}]},
]
OBJECTS: list[Any] = [
    {
        "type": "object",
        "maxProperties": 1,
        "allOf": [
            {"not": {"propertyNames": {"not": {"pattern": "p"}}}},
            {"not": {"propertyNames": {"not": {"pattern": "q"}}}},
        ],
        "patternProperties": {"^.{3}": False},
    },
    {"type": "object", "properties": {"a": {"type": "null"}}, "not": {"additionalProperties": {}}}
    | {"not": {"additionalProperties": {"type": "string"}}},
    {"type": "object", "not": {"required": ["a"]}, "minProperties": 2, "required": ["b"]},
    {"const": {"a": [1], "b": {}}, "not": {"properties": {"b": {"type": "array"}}}},
    {"dependentRequired": {"a": ["b"]}, "required": ["a"], "type": "object", "maxProperties": 2},
    {"if": {"required": ["a"]}, "then": False, "else": {"minProperties": 1}, "type": "object"},
]
HIGH_AND_LOW = {
    "type": "array",
    "allOf": [{"contains": {"minimum": 9}}, {"items": {"maximum": 3}}],
    "items": {"type": "integer"},
}
IMPOSSIBLE: list[tuple[Any, set[str]]] = [
    ({"type": "string", "allOf": [{"pattern": "^a"}, {"pattern": "^b"}, {}]}, {"0", "1"}),
    ({"allOf": [{"multipleOf": 6}, {"not": {"multipleOf": 3}}], "type": "integer"}, {"0", "1"}),
    (HIGH_AND_LOW, {"0", "1", "items"}),
    (
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 3},
        {"items"},
    ),
    (
        {"type": "object", "propertyNames": {"pattern": "^[ab]$"}, "minProperties": 3},
        {"propertyNames", "minProperties"},
    ),
    ({"type": "number", "minimum": 5, "allOf": [{"maximum": 3}]}, {"minimum", "0"}),
    ({"$defs": {"rope": ROPE}, "$ref": "#/$defs/rope"}, {"$ref"}),
]


@pytest.mark.parametrize("schema", [*STRINGS, *NUMBERS, *ARRAYS, *OBJECTS, {"type": "null"}])
def test_a_value_is_built(schema: Any) -> None:
    oracle = Oracle(schema)
    found = witness(schema, oracle)
    assert found is not None
    assert oracle.complaint_about(found[0]) is None


@pytest.mark.parametrize(("schema", "blamed"), IMPOSSIBLE)
def test_what_contradicts_is_named(schema: Any, blamed: set[str]) -> None:
    with pytest.raises(Unsatisfiable) as caught:
        witness(schema, Oracle(schema))
    assert blamed <= set(caught.value.message.replace(" ", "/").split("/"))


def test_no_proof_without_reading_everything() -> None:
    schema: Any = {"type": "string", "allOf": [{"pattern": r"^(a)\1$"}, {"pattern": "^b"}]}
    assert witness(schema, Oracle(schema)) is None


@pytest.mark.parametrize("schema", [*STRINGS, *NUMBERS, *ARRAYS[:2], *OBJECTS[1:4]])
def test_random_text_under_hard_schemas_ends_valid(byte_vocab: Vocabulary, schema: Any) -> None:
    constraint = json_schema(schema, byte_vocab, bounds=Bounds())
    text = byte_vocab.decode(_random_text(constraint.start(), random.Random(0), 120))
    assert constraint.validate(text) is None


def test_a_contradiction_is_proven_before_the_first_token(byte_vocab: Vocabulary) -> None:
    schema = {"type": "array", "oneOf": [HIGH_AND_LOW, HIGH_AND_LOW | {"minItems": 2}]}
    with pytest.raises(DeadEnd, match="oneOf"):
        json_schema(schema, byte_vocab, bounds=Bounds()).start().limit(100)


def _random_text(matcher: Matcher, rng: random.Random, budget: int) -> list[int]:
    matcher.limit(budget)
    tokens: list[int] = []
    while not matcher.ended:
        token = rng.choice(sorted(allowed_tokens(matcher)))
        if token == matcher.vocabulary.eos_id:
            break
        matcher.advance(token)
        tokens.append(token)
        del tokens[len(tokens) - matcher.retreat() :]
    return tokens


@pytest.mark.shared
@pytest.mark.parametrize("negated", [False, True])
def test_no_case_of_the_official_suite_is_proven_wrong(
    shared: Path, whole: bool, negated: bool
) -> None:
    wrong, proven = [], 0
    for number, case in enumerate(read_suite(shared).cases):
        is_alone = isinstance(case.schema, dict) and "$ref" not in str(case.schema)
        if case.draft != 20 or not is_alone or (number % 4 and not whole):
            continue
        schema: Any = {"not": case.schema} if negated else case.schema
        oracle = Oracle(schema, draft=20, formats=case.formats)
        try:
            witness(schema, oracle)
        except Unsatisfiable:
            proven += 1
            good = [value for _, value, _ in case.tests if oracle.complaint_about(value) is None]
            wrong += [f"{case.name}: {value}" for value in good]
    assert wrong == []
    assert proven or not whole


def test_the_shortest_text_is_told(byte_vocab: Vocabulary) -> None:
    constraint = json_schema(STRINGS[0], byte_vocab, bounds=Bounds())
    with pytest.raises(LimitReached, match="at least 46"):
        constraint.start().limit(20)
