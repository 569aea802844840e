"""`x-tether-max-tokens` closes strings in time, and never at the price of validity."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tether.grammars.constraint import allowed_ids
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.json_schema.token_limits import TokenLimits
from tether.grammars.vocabulary import Vocabulary

CHARACTER = 4
"""Tokens, here bytes, that may finish a character or an escape."""
LIMITED: dict[str, Any] = {"type": "string", "x-tether-max-tokens": 4}


def _text(vocab: Vocabulary, schema: Any, seed: int) -> tuple[bytes, int]:
    """A random text, and the tokens of its longest string."""
    constraint = json_schema(schema, vocab, bounds=Bounds())
    matcher, rng = constraint.start(), random.Random(seed)
    matcher.limit(200)
    mask = np.empty(vocab.num_words, dtype=np.int32)
    tokens: list[int] = []
    while not matcher.ended:
        run = matcher.forced()
        if not run:
            matcher.fill_mask(mask)
            run = [int(rng.choice(allowed_ids(mask)))]
        if run == [vocab.eos_id]:
            break
        for token in run:
            matcher.advance(token)
        tokens += run
        taken = matcher.retreat()
        del tokens[len(tokens) - taken :]
    assert constraint.validate(vocab.decode(tokens)) is None
    return vocab.decode_bytes(tokens), len(tokens)


@pytest.mark.parametrize("seed", range(8))
def test_a_string_is_closed_in_time(byte_vocab: Vocabulary, seed: int) -> None:
    _, count = _text(byte_vocab, LIMITED, seed)
    assert count <= 4 + CHARACTER


@pytest.mark.parametrize("seed", range(8))
def test_limits_hold_at_their_places(byte_vocab: Vocabulary, seed: int) -> None:
    schema = {
        "$defs": {"s": {"items": LIMITED, "type": "array", "minItems": 3, "maxItems": 3}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/s"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    _, count = _text(byte_vocab, schema, seed)
    assert count <= len(b'{"a":[') + 3 * (4 + CHARACTER) + 2 + len(b"]}")


def test_what_the_schema_asks_for_wins(byte_vocab: Vocabulary) -> None:
    text, _ = _text(byte_vocab, {**LIMITED, "pattern": "^[a-z]{20}$"}, 1)
    assert len(text) == 22


def test_limits_are_found_by_place() -> None:
    schema: dict[str, Any] = {
        "properties": {
            "a": LIMITED,
            "b": {"items": {"anyOf": [{"x-tether-max-tokens": 9}, LIMITED]}},
            "c": {"$ref": "#"},
        }
    }
    limits = TokenLimits(schema)
    assert [limits.at(p) for p in [("a",), ("b", 3), ("c", "c", "a"), ("d",)]] == [4, 4, 4, None]
    named = TokenLimits({"properties": {"a": {"$ref": "#/$defs/t%20u"}}, "$defs": {"t u": LIMITED}})
    assert named.at(("a",)) == 4
    assert not TokenLimits({"properties": {"x-tether-max-tokens": {"type": "integer"}}})


def test_references_that_multiply_cost_little() -> None:
    parts: dict[str, Any] = {f"p{i}": {"$ref": "#"} for i in range(9)}
    limits = TokenLimits({"properties": {"a": LIMITED, **parts}})
    assert limits.at(("a",)) == 4
    assert limits.at(("p1", "a")) == 4
