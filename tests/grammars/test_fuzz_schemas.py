"""Differential fuzzing: masks and the end of text against jsonschema-rs, over all keywords.

For a failing seed: `_Case(seed)` makes the same schema and values again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from instance_cases import instances
from schema_cases import Schema, SchemaMaker

from tether.errors import DeadEnd, SchemaError
from tether.grammars import Vocabulary, json_schema
from tether.grammars.constraint import Constraint

BLOCKS, SAMPLE, ALL = 10, 30, 2_000
"""Blocks of seeds, and schemas in each: by default, and in a whole run."""
SHOWN = 5


@dataclass(frozen=True)
class _Case:
    """A schema, values, and what jsonschema-rs says of them."""

    seed: int

    @property
    def schema(self) -> Schema:
        return SchemaMaker(self.seed).schema()

    def judged(self) -> list[tuple[Any, bool]]:
        judge = jsonschema_rs.validator_for(self.schema, validate_formats=True, offline=True)
        return [(value, judge.is_valid(value)) for value in instances(self.schema, self.seed)]

    def texts(self) -> Iterator[tuple[str, bool]]:
        """The values as Python and as most other programs write them."""
        for number, (value, valid) in enumerate(self.judged()):
            separators = (", ", ": ") if number % 2 else (",", ":")
            yield json.dumps(value, ensure_ascii=False, separators=separators), valid

    def said(self, text: str | None, what: str) -> str:
        return f"seed {self.seed}: {what}\n  {json.dumps(self.schema)}\n  {text}"


@pytest.fixture(params=range(BLOCKS), name="cases")
def _cases(request: pytest.FixtureRequest, whole: bool) -> list[_Case]:
    size = ALL if whole else SAMPLE
    return [_Case(request.param * ALL + number) for number in range(size)]


def _compiled(cases: list[_Case], vocabulary: Vocabulary) -> Iterator[tuple[_Case, Constraint]]:
    """The cases that are not refused; which may be refused is a test of its own."""
    for case in cases:
        with suppress(SchemaError):
            yield case, json_schema(case.schema, vocabulary)


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


def _cut(text: str, vocabulary: Vocabulary, random_cuts: random.Random) -> list[int]:
    """`text` in tokens: longest first, or, half of the time, cut at random places."""
    data = text.encode()
    marks = [i for i in range(1, len(data)) if random_cuts.random() < 0.3]
    if random_cuts.random() < 0.5:
        marks = []
    tokens = []
    for start, end in pairwise([0, *marks, len(data)]):
        tokens += vocabulary.speller.spell(data[start:end])
    return [*tokens, vocabulary.eos_id]


def test_masks_agree_with_the_judge(byte_vocab: Vocabulary, cases: list[_Case]) -> None:
    wrong = []
    for case, constraint in _compiled(cases, byte_vocab):
        cuts = random.Random(case.seed)
        for text, valid in case.texts():
            tokens = _cut(text, byte_vocab, cuts)
            taken = _taken(constraint, tokens)
            if (taken == len(tokens)) != valid:
                verdict = "valid, but refused" if valid else "invalid, but taken"
                before = byte_vocab.decode(tokens[:taken])
                wrong.append(case.said(text, f"{verdict} after {before!r}"))
            if constraint.start().prefix_length(tokens) != taken:
                wrong.append(case.said(text, "prefix_length differs from the masks"))
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:SHOWN]])


def test_the_last_word_agrees_with_the_judge(byte_vocab: Vocabulary, cases: list[_Case]) -> None:
    wrong = [
        case.said(text, f"valid is {valid}")
        for case, constraint in _compiled(cases, byte_vocab)
        for text, valid in case.texts()
        if (constraint.validate(text) is None) != valid
    ]
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:SHOWN]])


def test_only_schemas_without_a_valid_value_are_refused(
    byte_vocab: Vocabulary, cases: list[_Case]
) -> None:
    taken = {case for case, _ in _compiled(cases, byte_vocab)}
    refused = [
        case.said(text, "refused, but this is valid")
        for case in cases
        if case not in taken
        for text in [text for text, valid in case.texts() if valid][:1]
    ]
    assert not refused, "\n".join([f"{len(refused)} refused", *refused[:SHOWN]])


def test_a_key_that_comes_twice_is_never_taken(byte_vocab: Vocabulary, cases: list[_Case]) -> None:
    wrong = []
    for case, constraint in _compiled(cases, byte_vocab):
        for text in [text for text, valid in case.texts() if valid and len(text) > 2]:
            twice = _first_key_again(text)
            tokens = [*byte_vocab.encode(twice), byte_vocab.eos_id]
            if twice != text and _taken(constraint, tokens) == len(tokens):
                wrong.append(case.said(twice, "taken"))
    assert not wrong, "\n".join([f"{len(wrong)} wrong", *wrong[:SHOWN]])


def _first_key_again(text: str) -> str:
    """An object's text with its first property put before it once more; others unchanged."""
    value = json.loads(text)
    if not isinstance(value, dict):
        return text
    first = dict([next(iter(value.items()))])
    return json.dumps(first, ensure_ascii=False)[:-1] + ", " + text[1:]
