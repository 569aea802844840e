"""Patterns as regexes of whole strings: what is simplified says the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tether.grammars.constraint import Constraint
from tether.grammars.engine import EngineConstraint
from tether.grammars.json_schema import json_schema
from tether.grammars.json_schema.front import front
from tether.grammars.json_schema.front.patterns import pattern_language
from tether.grammars.laws import allowed_tokens
from tether.grammars.vocabulary import Vocabulary


@pytest.mark.parametrize("pattern", ["", ".*", "^", "$", "[a-z]*", "^(?:)x*", "(a?(b*))c{0,3}"])
def test_a_pattern_that_nothing_holds_is_any_string(pattern: str) -> None:
    language = pattern_language(pattern)
    assert language is not None
    assert language.is_all


@pytest.mark.parametrize("pattern", ["^.*$", ".+", "^$", "a", "^a*$", "[^a]"])
def test_other_patterns_are_not(pattern: str) -> None:
    language = pattern_language(pattern)
    assert language is not None
    assert not language.is_all


@pytest.mark.parametrize(
    ("pattern", "low", "high", "body"),
    [
        ("^[a-z]+$", 0, 5, "[a-z]{1,5}"),
        ("^([a-z]*)$", 3, None, "[a-z]{3,}"),
        ("^[a-z]{2,9}$", 4, 20, "[a-z]{4,9}"),
        ("^[a-z]{2,9}$", 10, None, None),
        ("^[a-z]+x$", 0, 5, None),
        ("[a-z]", 0, 5, None),
    ],
)
def test_a_run_of_one_kind_takes_the_count(
    pattern: str, low: int, high: int | None, body: str | None
) -> None:
    language = pattern_language(pattern)
    assert language is not None
    assert language.counted(low, high) == body


def _takes(constraint: Constraint, text: str) -> bool:
    return constraint.validate(text) is None and _says(constraint, text)


def _says(constraint: Constraint, text: str) -> bool:
    matcher = constraint.start()
    for token in constraint.vocabulary.speller.spell(text.encode()):
        if token not in allowed_tokens(matcher):
            return False
        matcher.advance(token)
    return matcher.can_end


def test_repeats_beside_anything_are_cut_to_their_least(byte_vocab: Vocabulary) -> None:
    constraint = json_schema({"type": "string", "pattern": "(ab){2,5}c*d?"}, byte_vocab)
    assert "{2}" in front({"type": "string", "pattern": "(ab){2,5}"}).grammar
    for text, good in (('"abab"', True), ('"xababababababcccdz"', True), ('"abcab"', False)):
        assert _takes(constraint, text) is good, text


def test_names_of_all_kinds_together_lead_nowhere_by_themselves(byte_vocab: Vocabulary) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "patternProperties": {"^[a-z]+$": {"type": "integer"}},
        "additionalProperties": {"type": "string"},
    }
    constraint = json_schema(schema, byte_vocab)
    assert "never" in front(schema).grammar
    for text, good in (('{"a":1,"B":"x"}', True), ('{"a":"x"}', False), ('{"B":1}', False)):
        assert _takes(constraint, text) is good, text
    matcher = constraint.start()
    for token in byte_vocab.speller.spell(b'{"B":'):
        matcher.advance(token)
    allowed = {byte_vocab.tokens[token] for token in allowed_tokens(matcher)}
    assert b'"' in allowed
    assert b"1" not in allowed


@pytest.mark.parametrize("length", [{}, {"maxLength": 10}])
def test_a_guide_changes_no_mask(byte_vocab: Vocabulary, length: dict[str, int]) -> None:
    grammar = front({"type": "string", "pattern": "ab+c|[0-9]{3}", **length}).grammar
    alone = re.sub(r"\((S\d+) \| G\d+ never::0\)", r"\1", grammar)
    assert alone != grammar
    guided, plain = (EngineConstraint(text, byte_vocab).start() for text in (grammar, alone))
    for token in byte_vocab.speller.spell('"a\U0010ffff\\nab1\U0010ffff234"'.encode()):
        assert allowed_tokens(guided) == allowed_tokens(plain)
        for matcher in (guided, plain):
            matcher.advance(token)
    assert guided.can_end


@pytest.mark.parametrize(
    "rule", [{"pattern": "^a"}, {"pattern": "a", "maxLength": 1}, {"pattern": "a", "format": "uri"}]
)
def test_a_string_that_may_not_begin_with_anything_has_no_guide(rule: dict[str, Any]) -> None:
    assert "never" not in front({"type": "string", **rule}).grammar
