"""Guesses are read off the schema: numbers, strings of a pattern, what is required where."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tether.errors import LimitReached
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.json_schema.numbers import telling_numbers
from tether.grammars.json_schema.samples import sample
from tether.grammars.json_schema.scanner import State, scan
from tether.grammars.json_schema.tastes import Tastes
from tether.grammars.vocabulary import Vocabulary


def test_numbers_are_shared_multiples_and_bounds() -> None:
    steps = telling_numbers({"anyOf": [{"multipleOf": 33}, {"multipleOf": 2.5}], "minimum": 700})
    assert {165, 726, 700, 701, 825} <= {*steps}
    assert telling_numbers({"type": "string"}) == []


@pytest.mark.parametrize("pattern", ["^configure$", "^[a-z._][0-9]*$", "b+c", "(x|yz){2}", "^é$"])
def test_a_sample_is_found_by_its_pattern(pattern: str) -> None:
    text = sample(pattern)
    assert text is not None
    assert re.search(pattern, text)


def test_no_sample_of_what_is_too_long_or_not_regular() -> None:
    assert sample("a{5000}") is None
    assert sample(r"(a)\1") is None


def test_guesses_depend_on_the_place() -> None:
    entry: Any = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["z"]}}}
    tastes = Tastes({"properties": {"list": {"items": {"$ref": "#/e"}}}, "e": entry})
    state, _ = scan(State(), b'{"list":[{')
    assert state.frame is not None
    assert tastes.branches(state.frame) == [[b'"kind"']]
    state, _ = scan(State(), b'{"list":[{"kind":')
    assert tastes.values(state.frame)[0][0] == b'"z"'


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"anyOf": [{"multipleOf": 33}, {"multipleOf": 12}]}, {"multipleOf": 13}]},
        {
            "additionalProperties": {"not": {"maxItems": 1}, "type": "array"},
            "patternProperties": {"a": {"items": {"multipleOf": 2.5, "minimum": 2}}},
            "allOf": [{"patternProperties": {"b": {"items": {"multipleOf": 7, "minimum": 2}}}}],
            "required": ["ab"],
            "type": "object",
        },
    ],
)
def test_a_way_to_the_end_is_found(schema: Any, byte_vocab: Vocabulary) -> None:
    constraint = json_schema({"type": ["number", "object"], **schema}, byte_vocab, bounds=Bounds())
    with pytest.raises(LimitReached, match="shortest output has"):
        constraint.start().limit(0)
