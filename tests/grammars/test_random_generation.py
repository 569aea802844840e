"""Random models under real schemas: every text ends in time and is valid, whatever is chosen."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tether.errors import GenerationError, LimitReached, SchemaError
from tether.grammars import Vocabulary, json_schema
from tether.grammars.constraint import Constraint, Mask, allowed_ids
from tether.grammars.json_schema.bounds import UNBOUNDED, Bounds

BUDGET = 512
"""Tokens beyond the fewest that will do; also run with next to none."""
STEP = 48
"""Every so many schemas of the visible part; a whole run takes them all."""
PATIENCE = 10
"""Steps for each token of the budget; more is a row that would never end."""
MOST_STEPS = 1.5
"""Steps for each kept token, over all rows: what is taken back is paid for."""
STRUCTURE = (b'"', b"}", b"]", b",", b":", b'"}', b'":', b'{"')

Choose = Callable[[Mask], int]
"""A model: the packed mask -> one of its tokens."""


def _uniform(vocabulary: Vocabulary, seed: int) -> Choose:
    """Any allowed token, each as likely: long strings, deep texts, strange characters."""
    chooser = random.Random(seed)
    return lambda mask: chooser.choice(_allowed(mask))


def _structural(vocabulary: Vocabulary, seed: int) -> Choose:
    """Eight times more likely: what opens, parts and closes; so that many values get closed."""
    chooser = random.Random(seed)
    weight = [8 if text in STRUCTURE else 1 for text in vocabulary.tokens]

    def choose(mask: Mask) -> int:
        allowed = _allowed(mask)
        return chooser.choices(allowed, [weight[token] for token in allowed])[0]

    return choose


def _allowed(mask: Mask) -> list[int]:
    tokens: list[int] = allowed_ids(mask).tolist()
    return tokens


@dataclass
class _Row:
    """A text and what it cost.

    Attributes:
        tokens: What was kept, the end token left out.
        steps: How often the model was asked.
        retreats: How often something was taken back.
    """

    tokens: list[int] = field(default_factory=list)
    steps: int = 0
    retreats: int = 0


def _generate(constraint: Constraint, budget: int, choose: Choose) -> _Row:
    """As the decode loop does it: forced tokens, else a choice; then back where that is wanted."""
    matcher, row = constraint.start(), _Row()
    matcher.limit(budget)
    mask = np.zeros(constraint.vocabulary.num_words, dtype=np.int32)
    while not matcher.ended:
        assert row.steps <= PATIENCE * budget, "it does not end"
        run = matcher.forced()
        if not run:
            matcher.fill_mask(mask)
            row.steps += 1
            run = [choose(mask)]
        if run == [constraint.vocabulary.eos_id]:
            break
        for token in run:
            matcher.advance(token)
        row.tokens += run
        if taken := matcher.retreat():
            row.retreats += 1
            del row.tokens[-taken:]
    return row


def _least(constraint: Constraint) -> int:
    """The fewest tokens that a text may be limited to, as a refusal of one token says."""
    try:
        constraint.start().limit(1)
    except LimitReached as error:
        return int(re.findall(r"\d+", error.hint)[0])
    return 1


@pytest.fixture(scope="module", name="cases")
def _cases(shared: Path, whole: bool) -> list[dict[str, Any]]:
    path = shared / "maskbench" / "visible.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        step = 1 if whole else STEP
        return [json.loads(line) for number, line in enumerate(lines) if number % step == 0]


def _fault(row: _Row, constraint: Constraint, budget: int) -> str | None:
    """What is wrong with the text of a row, or None."""
    if len(row.tokens) > budget:
        return f"{len(row.tokens)} tokens, {budget} were allowed"
    try:
        text = constraint.vocabulary.decode_bytes(row.tokens).decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error}"
    complaint = constraint.validate(text)
    return f"{complaint} {text!r}" if complaint else None


@pytest.mark.shared
@pytest.mark.parametrize("model", [_uniform, _structural])
@pytest.mark.parametrize("bounds", [Bounds(), UNBOUNDED], ids=["bounded", "unbounded"])
@pytest.mark.parametrize("spare", [BUDGET, 4, 0])
def test_every_text_is_complete_and_valid(
    byte_vocab: Vocabulary,
    cases: list[dict[str, Any]],
    model: Callable[[Vocabulary, int], Choose],
    bounds: Bounds,
    spare: int,
) -> None:
    rows, wrong = [], []
    for seed, case in enumerate(cases):
        try:
            constraint = json_schema(case["schema"], byte_vocab, bounds=bounds)
            budget = _least(constraint) + spare
            row = _generate(constraint, budget, model(byte_vocab, seed))
        except SchemaError as error:
            if any(test["valid"] for test in case["tests"]):
                wrong.append(f"{case['name']}: refused: {error.message}")
        except (GenerationError, AssertionError) as error:
            wrong.append(f"{case['name']}: {type(error).__name__}: {error}")
        else:
            rows.append(row)
            if fault := _fault(row, constraint, budget):
                wrong.append(f"{case['name']}: {fault}")
    steps, kept = sum(row.steps for row in rows), sum(len(row.tokens) for row in rows)
    retreats = sum(row.retreats for row in rows)
    cost = f"{steps} steps for {kept} tokens, {retreats} retreats"
    assert not wrong, "\n".join([f"{len(wrong)} of {len(cases)} wrong; {cost}", *wrong[:20]])
    assert steps <= MOST_STEPS * kept, cost
