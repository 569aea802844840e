"""A sample of MaskBench: what the strict engine accepts it must hold, end of text included."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tether.errors import SchemaError
from tether.grammars.json_schema import json_schema
from tether.grammars.vocabulary import Vocabulary

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
STEP = 12
"""Every so many schemas of the visible part; 1 runs them all."""
WRONG = 0.01
"""Share of accepted schemas on which the engine may be wrong (25 of 9,509 in the full set)."""


@pytest.fixture(scope="module")
def sample() -> list[dict[str, Any]]:
    path = SHARED / "data" / "maskbench" / "visible.jsonl.gz"
    if not path.exists():
        pytest.skip("../shared is absent")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for number, line in enumerate(lines) if number % STEP == 0]


@pytest.mark.shared
def test_the_mask_agrees_with_the_labels(
    byte_vocab: Vocabulary, sample: list[dict[str, Any]]
) -> None:
    refused, wrong = [], []
    for case in sample:
        try:
            constraint = json_schema(case["schema"], byte_vocab)
        except SchemaError as error:
            refused.append(error)
            continue
        for test in case["tests"]:
            text = json.dumps(test["data"], ensure_ascii=False)
            tokens = [*byte_vocab.encode(text), byte_vocab.eos_id]
            accepted = constraint.start().prefix_length(tokens) == len(tokens)
            if accepted != test["valid"] or (constraint.validate(text) is None) != test["valid"]:
                wrong.append(case["name"])
    assert all(error.hint for error in refused)
    assert len(refused) < 0.25 * len(sample)
    assert len(set(wrong)) <= WRONG * len(sample), wrong
