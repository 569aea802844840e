"""Differential fuzzing: masks and the end of text against jsonschema-rs, over all keywords.

A failure shows cases that were made small; `SchemaMaker(seed).schema()` is the whole of one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from instance_cases import instances
from schema_cases import Schema, SchemaMaker
from shrink import shrunk

from tether.errors import DeadEnd, SchemaError
from tether.grammars import Vocabulary, json_schema
from tether.grammars.constraint import Constraint

BLOCKS, SAMPLE, ALL = 10, 30, 2_000
"""Blocks of seeds, and schemas in each: by default, and in a whole run."""
SHOWN = 5

Check = Callable[[Schema, Any, Vocabulary], str | None]
"""What is wrong with how a value fares under a schema, or None."""


@pytest.fixture(params=range(BLOCKS), name="seeds")
def _seeds(request: pytest.FixtureRequest, whole: bool) -> range:
    first = request.param * ALL
    return range(first, first + (ALL if whole else SAMPLE))


def _masks(schema: Schema, value: Any, vocabulary: Vocabulary) -> str | None:
    """The masks, token by token, however the text is cut, and the end token after it."""
    constraint = _compiled(json.dumps(schema), vocabulary)
    if constraint is None:
        return None
    tokens = _cut(_written(value), vocabulary)
    taken = _taken(constraint, tokens)
    if constraint.start().prefix_length(tokens) != taken:
        return "prefix_length differs from the masks"
    valid = _valid(schema, value)
    if (taken == len(tokens)) == valid:
        return None
    return "valid, but refused" if valid else "invalid, but taken"


def _last_word(schema: Schema, value: Any, vocabulary: Vocabulary) -> str | None:
    """The judgement of whole texts."""
    constraint = _compiled(json.dumps(schema), vocabulary)
    if constraint is None:
        return None
    accepted = constraint.validate(_written(value)) is None
    return "wrongly judged" if accepted != _valid(schema, value) else None


def _refusals(schema: Schema, value: Any, vocabulary: Vocabulary) -> str | None:
    """Only a schema without any valid value may be refused."""
    refused = _compiled(json.dumps(schema), vocabulary) is None
    return "refused, but this is valid" if refused and _valid(schema, value) else None


def _repeated_keys(schema: Schema, value: Any, vocabulary: Vocabulary) -> str | None:
    """A valid object with its first property once more before it is refused."""
    constraint = _compiled(json.dumps(schema), vocabulary)
    if constraint is None or not isinstance(value, dict) or not value:
        return None
    key, first = next(iter(value.items()))
    text = f"{_written({key: first})[:-1]},{_written(value)[1:]}"
    tokens = _cut(text, vocabulary)
    taken = _taken(constraint, tokens) == len(tokens)
    return "taken with its first key twice" if taken else None


@pytest.mark.parametrize("check", [_masks, _last_word, _refusals, _repeated_keys])
def test_random_schemas(check: Check, byte_vocab: Vocabulary, seeds: range) -> None:
    wrong = list(_wrong(check, byte_vocab, seeds))
    shown = [_small(check, byte_vocab, *case) for case in wrong[:SHOWN]]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(seeds)} schemas", *shown])


def _wrong(check: Check, vocabulary: Vocabulary, seeds: range) -> Iterator[tuple[int, Any, str]]:
    """Seed, value and fault of the schemas that fail, the first value of each."""
    for seed in seeds:
        schema = SchemaMaker(seed).schema()
        values = instances(schema, seed)
        faults = ((value, check(schema, value, vocabulary)) for value in values)
        yield from [(seed, value, fault) for value, fault in faults if fault][:1]


def _small(check: Check, vocabulary: Vocabulary, seed: int, value: Any, fault: str) -> str:
    def fails(schema: Any, part: Any) -> bool:
        try:
            return check(schema, part, vocabulary) == fault
        except (ValueError, jsonschema_rs.ReferencingError):  # no schema any more
            return False

    schema, part = shrunk(SchemaMaker(seed).schema(), value, fails)
    return f"seed {seed}, {fault}: {_written(part)} under {json.dumps(schema)}"


@lru_cache(maxsize=1)
def _compiled(schema: str, vocabulary: Vocabulary) -> Constraint | None:
    """None for a refusal."""
    try:
        return json_schema(schema, vocabulary)
    except SchemaError:
        return None


@lru_cache(maxsize=1)
def _judge(schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads(schema), validate_formats=True, offline=True)


def _valid(schema: Schema, value: Any) -> bool:
    return _judge(json.dumps(schema)).is_valid(value)


def _written(value: Any) -> str:
    """As Python writes a value or as most other programs do; the value itself decides."""
    separators = random.Random(repr(value)).choice([(", ", ": "), (",", ":")])
    return json.dumps(value, ensure_ascii=False, separators=separators)


def _cut(text: str, vocabulary: Vocabulary) -> list[int]:
    """`text` in tokens, the end token last: longest first, or cut anywhere; the text decides."""
    data, chooser = text.encode(), random.Random(text)
    share = chooser.choice([0.0, 0.3, 1.0])
    marks = [place for place in range(1, len(data)) if chooser.random() < share]
    tokens = []
    for start, end in pairwise([0, *marks, len(data)]):
        tokens += vocabulary.speller.spell(data[start:end])
    return [*tokens, vocabulary.eos_id]


def _taken(constraint: Constraint, tokens: list[int]) -> int:
    """How many tokens the masks let through, one by one; the end token counts."""
    matcher = constraint.start()
    mask = np.empty(constraint.vocabulary.num_words, dtype=np.int32)
    for taken, token in enumerate(tokens):
        try:
            matcher.fill_mask(mask)
        except DeadEnd:
            return taken
        if not mask[token >> 5] >> (token & 31) & 1:
            return taken
        matcher.advance(token)
    return len(tokens)
