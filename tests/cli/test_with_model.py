"""The face on a real loop: a random checkpoint, so that only the constraint makes sense."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
from checkpoints import save_checkpoint
from command_line import Tether

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "ok": {"type": "boolean"}},
    "required": ["name", "ok"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("model")
    save_checkpoint(directory, "llama", max_position_embeddings=500)
    return str(directory)


def test_json_is_valid_whatever_the_model(tether: Tether, model: str) -> None:
    judge = jsonschema_rs.validator_for(SCHEMA)
    for seed in ("1", "2", "3"):
        ran = tether(
            "json", "hi", "--schema", json.dumps(SCHEMA), "-m", model, "--temperature", "1",
            "--seed", seed, "--max-tokens", "90",
        )  # fmt: skip
        assert ran.code == 0, ran.err
        assert judge.is_valid(json.loads(ran.out))


def test_text_follows_its_constraint(tether: Tether, model: str) -> None:
    ran = tether("text", "hi", "-m", model, "--choice", "yes", "--choice", "no", "--stats")
    assert ran.out in ("yes\n", "no\n")
    assert "output tokens" in ran.err
    digits = tether("text", "hi", "-m", model, "--regex", "[0-9]{4}", "--stream", "text")
    assert digits.out.strip().isdigit()
    assert len(digits.out) == 5


def test_limits_and_long_prompts(tether: Tether, model: str) -> None:
    ran = tether("text", "hi", "-m", model, "--max-tokens", "3", "--regex", "a{40}")
    assert (ran.code, ran.out) == (5, "")
    long = tether("text", "x" * 900, "-m", model)
    assert (long.code, long.out) == (2, "")


def test_models_that_cannot_be_had(tether: Tether, home: Path) -> None:
    assert tether("text", "x", "-m", str(home / "nowhere")).code == 7
    assert tether("text", "x", "-m", "nobody/nothing").code == 7


def test_a_batch_row_alone_says_the_same(tether: Tether, model: str, home: Path) -> None:
    rows = [{"prompt": f"row {n}", "id": f"r{n}", "schema": SCHEMA, "seed": 3} for n in range(12)]
    rows[5]["prompt"] = "x" * 900
    (home / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sampled = ("-m", model, "--temperature", "0.9", "--max-tokens", "90")
    ran = tether("batch", "in.jsonl", "--slots", "5", *sampled)
    assert ran.code == 6
    assert "900" not in ran.out
    by_id = {row["id"]: row["output"] for row in ran.rows}
    assert len(by_id) == 11
    other = tether("batch", "in.jsonl", "--slots", "1", "--unordered", *sampled)
    assert {row["id"]: row["output"] for row in other.rows} == by_id
    alone = tether(
        "json", "row 7", "-s", json.dumps(SCHEMA), "--seed", "3", "--key", "r7", *sampled
    )
    assert json.loads(alone.out) == by_id["r7"]


def test_a_raw_prompt_may_end_inside_a_token(tether: Tether, model: str, home: Path) -> None:
    flags = ("-m", model, "--regex", "[a-z]{3,5}", "--temperature", "1")
    healed = tether("text", "in the an", "--raw-prompt", *flags, "--envelope")
    plain = tether("text", "in the an", "--raw-prompt", "--no-heal", *flags, "--envelope")
    begun, whole = (json.loads(ran.out)["stats"]["prompt_tokens"] for ran in (healed, plain))
    assert begun < whole
    templated = tether("text", "in the an", *flags, "--envelope", "--heal")
    assert json.loads(templated.out)["stats"]["prompt_tokens"] > whole
    row = {"prompt": "in the an", "raw_prompt": True}
    rows = [{**row, "id": n, "heal": bool(n % 2)} for n in range(6)]
    (home / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = tether("batch", "in.jsonl", *flags, "--slots", "4")
    assert ran.code == 0, ran.err
    for said in ran.rows:
        assert 3 <= len(said["output"]) <= 5
    alone = ("--raw-prompt", "--key", "3", *flags)
    assert tether("text", "in the an", *alone).out == ran.rows[3]["output"] + "\n"
