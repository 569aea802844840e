"""The law on real schemas: every valid instance is held; where exact, every other is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tether.errors import SchemaError
from tether.grammars.engine import EngineConstraint
from tether.grammars.json_schema.front import front
from tether.grammars.vocabulary import Vocabulary

STEP = 16


def test_the_mask_holds_every_valid_instance(
    byte_vocab: Vocabulary, shared: Path, whole: bool
) -> None:
    wrong, num_cases, num_tight = [], 0, 0
    path = shared / "maskbench" / "visible.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for n, line in enumerate(lines) if whole or n % STEP == 0]
    for row in rows:
        try:
            mask = front(row["schema"])
        except SchemaError:
            wrong += [row["name"] for test in row["tests"] if test["valid"]]
            continue
        constraint = EngineConstraint(mask.grammar, byte_vocab)
        for test in row["tests"]:
            text = json.dumps(test["data"], ensure_ascii=False)
            accepted = constraint.validate(text) is None
            num_cases += 1
            num_tight += accepted == test["valid"]
            if test["valid"] != accepted and (test["valid"] or mask.exact):
                wrong.append(row["name"])
    assert wrong == []
    assert num_tight > 0.98 * num_cases
