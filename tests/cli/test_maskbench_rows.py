"""A batch over real schemas with a model of random weights: what is printed is valid, always."""

from __future__ import annotations

import gzip
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from checkpoints import save_checkpoint
from command_line import Tether

REASONS = {"schema", "limit", "dead_end", "usage"}


def exact(text: str) -> float | Decimal:
    """A float; where that would be infinite, a decimal beyond every bound."""
    value = float(text)
    return value if math.isfinite(value) else Decimal("1e9999").copy_sign(Decimal(value))


def schemas(shared: Path, count: int) -> list[dict[str, Any]]:
    """Every n-th schema of the visible sample."""
    with gzip.open(shared / "maskbench" / "visible.jsonl.gz", "rt", encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    return cases[:: len(cases) // count][:count]


def lines(path: Path) -> list[str]:
    """Lines as JSON Lines has them: a string may hold what `splitlines` takes for a line's end."""
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


@pytest.mark.shared
def test_every_printed_output_is_valid(
    tether: Tether, shared: Path, tmp_path: Path, *, whole: bool
) -> None:
    cases = schemas(shared, 200 if whole else 40)
    save_checkpoint(tmp_path, "llama", max_position_embeddings=16_384)
    rows = [
        {"id": case["name"], "prompt": "x", "schema": case["schema"], "seed": number,
         "temperature": 1.0}
        for number, case in enumerate(cases)
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out, errors = tmp_path / "out.jsonl", tmp_path / "errors.jsonl"
    ran = tether("batch", str(tmp_path / "rows.jsonl"), "-o", str(out), "--errors", str(errors),
                 "-m", str(tmp_path), "--max-tokens", "400")  # fmt: skip
    assert ran.code in (0, 6), ran.err

    judges = {case["name"]: case["schema"] for case in cases}
    good = [json.loads(line, parse_float=exact) for line in lines(out)]
    bad = [json.loads(line) for line in lines(errors)]
    for row in good:
        judge = jsonschema_rs.validator_for(judges[row["id"]], validate_formats=True)
        assert judge.is_valid(row["output"]), (row["id"], row["output"])
    assert [row for row in bad if row["reason"] not in REASONS] == []
    assert {row["id"] for row in good} | {row["id"] for row in bad} == judges.keys()
    assert len(good) >= len(cases) // 10
