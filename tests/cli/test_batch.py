"""`tether batch`: order, failures, formats, resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Tether
from fake_engine import FakeEngine


def jsonl(*rows: Any) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def said(text: str, **script: Any) -> dict[str, Any]:
    return {"prompt": json.dumps({"say": text, **script})}


def test_rows_in_input_order(tether: Tether, fake: FakeEngine) -> None:
    rows = [said(f"row {n}", steps=9 - n) for n in range(9)]
    ran = tether("batch", stdin=jsonl(*rows))
    assert ran.code == 0, ran.err
    assert ran.rows == [{"index": n, "output": f"row {n}"} for n in range(9)]


def test_stats_are_one_line_on_all_rows(tether: Tether, fake: FakeEngine) -> None:
    rows = [said("abc", taken_back=2), said("d", taken_back=3)]
    ran = tether("batch", "--stats", stdin=jsonl(*rows))
    assert ran.rows == [{"index": 0, "output": "abc"}, {"index": 1, "output": "d"}]
    assert ran.err.startswith("2 rows, 0 failed, 4 tokens, 5 taken back, ")


def test_unordered_rows_as_they_end(tether: Tether, fake: FakeEngine) -> None:
    rows = [said(f"row {n}", steps=9 - n) for n in range(9)]
    ran = tether("batch", "--unordered", stdin=jsonl(*rows))
    assert [row["index"] for row in ran.rows] == [*range(8, -1, -1)]


def test_rows_of_a_file_run_by_length_and_are_written_in_order(
    tether: Tether, fake: FakeEngine, home: Path
) -> None:
    rows = [said("x" * length) for length in (90, 5, 70, 4, 60, 3, 50, 2, 40)]
    (home / "in.jsonl").write_text(jsonl(*rows))
    for source, data, ahead in (("in.jsonl", None, 8), ("-", jsonl(*rows), 1)):
        fake.seen.clear()
        ran = tether("batch", source, "--slots", "2", stdin=data)
        assert [row["index"] for row in ran.rows] == [*range(9)]
        lengths = [len(request.prompt) for request in fake.seen]
        as_given = [len(row["prompt"]) + 1 for row in rows]
        by_length = sorted(as_given[:8]) + as_given[8:]
        assert lengths == (by_length if ahead > 1 else as_given)
        assert fake.ahead == ahead


def test_own_schemas_settings_and_ids(tether: Tether, fake: FakeEngine) -> None:
    rows = [
        {**said('{"a":1.0}'), "id": "x", "schema": "a num", "seed": 3, "max_tokens": 7},
        {**said('{"b":"t"}'), "id": 17, "schema": {"type": "object"}, "evidence": "@no file"},
        {**said("green"), "choices": ["red", "green"], "system": "@plain text"},
    ]
    ran = tether("batch", "--schema", "name", stdin=jsonl(*rows))
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == '{"index":0,"id":"x","output":{"a":1.0}}'
    assert ran.rows[2] == {"index": 2, "output": "green"}
    first, second, third = fake.seen
    assert (first.key, first.sampling.seed, first.max_tokens) == ("x", 3, 7)
    assert (second.key, second.sampling.seed, third.key) == ("17", 0, "2")
    assert fake.prompts[1].passages == ("@no file",)
    assert fake.prompts[2].system == "@plain text"


def test_failures_do_not_stop_the_batch(tether: Tether, fake: FakeEngine, home: Path) -> None:
    lines = [
        json.dumps(said("good")),
        "not json",
        json.dumps({"prompt": "x", "shcema": "name"}),
        json.dumps({"prompt": "x", "schema": "name ints"}),
        "",
        json.dumps({**said("", finish="limit", message="Too long."), "id": "long"}),
        json.dumps({"prompt": "x", "temperature": -1}),
        '"text"',
        json.dumps({"prompt": " "}),
        json.dumps(said("INVALID", **{}) | {"regex": ".*"}),
        json.dumps(said("good too")),
    ]
    ran = tether("batch", "--errors", "e.jsonl", stdin="\n".join(lines))
    assert ran.code == 6
    assert [row["output"] for row in ran.rows] == ["good", "good too"]
    errors = [json.loads(line) for line in (home / "e.jsonl").read_text().splitlines()]
    found = {error["index"]: error["reason"] for error in errors}
    assert found == {
        1: "usage", 2: "usage", 3: "schema", 4: "limit", 5: "usage", 6: "usage", 7: "usage",
        8: "dead_end",
    }  # fmt: skip
    assert errors[1]["hint"].startswith("Did you mean `schema`")
    assert errors[3]["id"] == "long"
    assert "8 of 10 rows failed" in ran.err


def test_keywords_of_the_schema_that_nothing_knows_are_told_once(
    tether: Tether, fake: FakeEngine
) -> None:
    ran = tether("batch", "-s", '{"propertis": {}}', stdin=jsonl(said("1"), said("2")))
    assert (ran.code, len(ran.rows)) == (0, 2)
    assert ran.err.count("tether: warning at /propertis: ") == ran.err.count("\n") == 1


def test_lossy_drafts_are_said_once(tether: Tether, fake: FakeEngine) -> None:
    ran = tether(
        "batch", "--lossy", "judge", "--lossy-at", "0.8", stdin=jsonl(said("1"), said("2"))
    )
    assert (ran.code, len(ran.rows)) == (0, 2)
    assert ran.err.count("--lossy judge takes drafted tokens that the model did not choose") == 1
    assert {(request.lossy, request.lossy_at) for request in fake.seen} == {("judge", 0.8)}
    assert tether("batch", stdin=jsonl(said("1"))).err == ""


def test_failures_on_stderr(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("batch", stdin=jsonl({**said("", finish="dead_end"), "id": "a"}))
    assert ran.code == 6
    assert 'row 0 (id "a"): ' in ran.err


def test_bytes_that_are_not_utf8_fail_their_row_alone(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("batch", stdin=b'{"prompt":"caf\xe9"}\n{"prompt":"ok"}\n')
    assert [row["output"] for row in ran.rows] == ["ok"]
    assert "not UTF-8" in ran.err


def test_an_integer_of_thousands_of_digits_fails_its_row_alone(
    tether: Tether, fake: FakeEngine
) -> None:
    ran = tether("batch", stdin=f'{{"prompt":"x","seed":{"9" * 5000}}}\n{{"prompt":"ok"}}\n')
    assert (ran.code, [row["output"] for row in ran.rows]) == (6, ["ok"])
    assert "row 0: The line has an integer of thousands of digits." in ran.err


def test_equal_ids_are_kept_apart(tether: Tether, fake: FakeEngine) -> None:
    rows = [{**said(f"row {n}", steps=5 - n), "id": "same"} for n in range(4)]
    ran = tether("batch", stdin=jsonl(*rows))
    assert [row["output"] for row in ran.rows] == [f"row {n}" for n in range(4)]


def test_template_fields(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "tether.toml").write_text('[profiles.p]\ntemplate = "{who} likes {what}"\n')
    rows = [
        {"who": "Ann", "what": ["a", 1.5]},
        {"who": "Ben"},
        {"who": "Cyd", "what": "x", "waht": "y"},
    ]
    ran = tether("batch", "-p", "p", stdin=jsonl(*rows))
    assert ran.code == 6
    assert ran.rows == [{"index": 0, "output": 'Ann likes ["a",1.5]'}]
    assert "needs the field `what`" in ran.err
    assert "Unknown key `waht`" in ran.err


def test_rows_cannot_name_code(tether: Tether, fake: FakeEngine) -> None:
    ran = tether("batch", stdin=jsonl({"prompt": "x", "type": "os:system"}))
    assert ran.code == 6
    assert "Unknown key `type`" in ran.err


def chat(number: int, **body: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]
    return {
        "custom_id": f"c{number}", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "gpt-4o", "messages": messages, **body},
    }  # fmt: skip


def test_openai_format(tether: Tether, fake: FakeEngine) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    rows = [
        chat(0, temperature=0.5, max_completion_tokens=9, seed=4, stop="x", logit_bias={"7": 1}),
        chat(1, response_format=wanted, n=1, metadata={"a": 1}),
    ]
    ran = tether("batch", stdin=jsonl(*rows))
    assert ran.code == 0, ran.err
    first = ran.rows[0]
    assert (first["custom_id"], first["error"]) == ("c0", None)
    body = first["response"]["body"]
    assert body["choices"][0]["message"]["content"] == "hi"
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    request = fake.seen[0]
    assert (request.key, request.max_tokens, request.stop) == ("c0", 9, ("x",))
    assert (request.sampling.temperature, dict(request.sampling.logit_bias)) == (0.5, {7: 1.0})
    assert fake.prompts[0].system == "Be kind."
    assert fake.prompts[1].fields == "a? int"
    assert "gpt-4o" in ran.err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (chat(0, tools=[{"type": "function"}]), "`body.tools[0].function.name`"),
        (chat(0, n=2), "`body.n` = 2"),
        (chat(0, temprature=1), "Did you mean `temperature`"),
        (chat(0, response_format={"type": "xml"}), "response_format.type"),
        (chat(0, messages=[{"role": "assistant", "content": "x"}]), "'assistant'"),
        (chat(0, messages=[{"role": "user", "content": [{"type": "image_url"}]}]), "not text"),
        ({**chat(0), "url": "/v1/embeddings"}, "/v1/embeddings"),
        ({"custom_id": "c", "body": 3}, "`body`"),
    ],
)
def test_openai_rows_that_are_refused(
    tether: Tether, fake: FakeEngine, row: Any, message: str
) -> None:
    ran = tether("batch", stdin=jsonl(row))
    assert (ran.code, ran.out) == (6, "")
    assert message in ran.err


def test_retry_runs_the_failed_rows(tether: Tether, fake: FakeEngine, home: Path) -> None:
    rows = [{**said(f"row {n}", finish="limit" if n % 3 else "stop"), "id": n} for n in range(7)]
    (home / "in.jsonl").write_text(jsonl(*rows))
    assert tether("batch", "in.jsonl", "-o", "out.jsonl", "--errors", "e.jsonl").code == 6
    fixed = [{**said(f"row {n}"), "id": n} for n in range(7)]
    (home / "in.jsonl").write_text(jsonl(*fixed))
    ran = tether("batch", "in.jsonl", "--retry", "e.jsonl")
    assert ran.code == 0, ran.err
    assert [row["index"] for row in ran.rows] == [1, 2, 4, 5]


def test_retry_of_another_input(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "e.jsonl").write_text('{"index": 1, "id": "b", "reason": "limit", "message": "m"}\n')
    other = jsonl({**said("a"), "id": "a"}, {**said("c"), "id": "c"})
    ran = tether("batch", "--retry", "e.jsonl", stdin=other)
    assert ran.code == 2
    assert "has the id 'c'" in ran.err
    short = tether("batch", "--retry", "e.jsonl", stdin=jsonl({**said("a"), "id": "a"}))
    assert short.code == 2
    assert "not in the input" in short.err


def test_output_is_not_lost_by_accident(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "in.jsonl").write_text(jsonl(said("a")))
    assert tether("batch", "in.jsonl", "-o", "out.jsonl").code == 0
    again = tether("batch", "in.jsonl", "-o", "out.jsonl")
    assert again.code == 2
    assert "--overwrite" in again.err
    assert tether("batch", "in.jsonl", "-o", "out.jsonl", "--overwrite").code == 0
    assert tether("batch", "in.jsonl", "-o", "in.jsonl").code == 2
    assert tether("batch", "in.jsonl", "--resume").code == 2


def interrupted(home: Path, num_rows: int, stop_at: int) -> tuple[list[Any], str]:
    """Input whose row `stop_at` presses Ctrl-C, and what the whole output should be."""
    rows = [said(f"row {n}", steps=1 + (n * 7) % 5) for n in range(num_rows)]
    whole = jsonl(*({"index": n, "output": f"row {n}"} for n in range(num_rows)))
    (home / "in.jsonl").write_text(jsonl(*rows))
    return rows, whole.replace('": ', '":').replace(', "', ',"')


def test_interrupt_and_resume(
    tether: Tether, fake: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = interrupted(home, 60, 30)
    encode, count = fake.encode, 0

    def pressed(prompt: Any) -> tuple[int, ...]:
        nonlocal count
        count += 1
        if count in (20, 45):
            raise KeyboardInterrupt
        return encode(prompt)

    monkeypatch.setattr(fake, "encode", pressed)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--slots", "3", "--resume")
    first = tether(*args)
    assert first.code == 130
    assert "--resume" in first.err
    assert tether(*args).code == 130
    last = tether(*args)
    assert (last.code, last.out) == (0, "")
    assert (home / "out.jsonl").read_text() == whole
    assert tether(*args).code == 0
    assert (home / "out.jsonl").read_text() == whole
    assert count <= 60 + 2 * (3 + 12)  # those that ran, and those that were looked at ahead


@pytest.mark.parametrize("cut", [1, 7, 40, 200])
def test_torn_journal(
    tether: Tether, fake: FakeEngine, home: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = interrupted(home, 30, 20)
    encode, count = fake.encode, 0

    def pressed(prompt: Any) -> tuple[int, ...]:
        nonlocal count
        count += 1
        if count == 25:
            raise KeyboardInterrupt
        return encode(prompt)

    monkeypatch.setattr(fake, "encode", pressed)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--slots", "3")
    assert tether(*args).code == 130
    journal = home / "out.jsonl.journal"
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert tether(*args, "--resume").code == 0
    assert (home / "out.jsonl").read_text() == whole


def half_done(tether: Tether, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        encode, count = fake.encode, 0

        def pressed(prompt: Any) -> tuple[int, ...]:
            nonlocal count
            count += 1
            if count == 25:
                raise KeyboardInterrupt
            return encode(prompt)

        patch.setattr(fake, "encode", pressed)
        assert tether("batch", "in.jsonl", "-o", "out.jsonl", "--slots", "3").code == 130


def test_resume_refuses_other_settings(
    tether: Tether, fake: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(home, 30, 0)
    half_done(tether, fake, monkeypatch)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--resume")
    ran = tether(*args, "--max-tokens", "9", "--regex", ".*")
    assert ran.code == 3
    assert "max_tokens: was 512, now 9" in ran.err
    assert "constraint" in ran.err
    fake.fingerprint = "1" * 16
    assert "model: was" in tether(*args).err
    fake.fingerprint = "0" * 16
    assert tether(*args, "--slots", "3").code == 0


def test_resume_refuses_another_input(
    tether: Tether, fake: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _ = interrupted(home, 30, 0)
    half_done(tether, fake, monkeypatch)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--resume")
    (home / "in.jsonl").write_text(jsonl(rows[0], said("new"), *rows[2:]))
    ran = tether(*args)
    assert ran.code == 3
    assert "row 1 of the input changed" in ran.err
    (home / "in.jsonl").write_text(jsonl(*rows[:5]))
    assert tether(*args).code == 3


def test_two_batches_cannot_share_an_output(tether: Tether, fake: FakeEngine, home: Path) -> None:
    from tether.cli.batches.journal import Journal

    (home / "in.jsonl").write_text(jsonl(said("a")))
    with Journal.create(home / "out.jsonl.journal", {}):
        ran = tether("batch", "in.jsonl", "-o", "out.jsonl", "--overwrite")
    assert ran.code == 2
    assert "is in use" in ran.err


def test_errors_come_back_on_resume(
    tether: Tether, fake: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [said(f"row {n}", finish="limit" if n == 2 else "stop") for n in range(30)]
    (home / "in.jsonl").write_text(jsonl(*rows))
    half_done(tether, fake, monkeypatch)
    ran = tether("batch", "in.jsonl", "-o", "out.jsonl", "--resume", "--errors", "e.jsonl")
    assert ran.code == 6
    assert json.loads((home / "e.jsonl").read_text())["index"] == 2
    assert len((home / "out.jsonl").read_text().splitlines()) == 29
    assert tether("batch", "in.jsonl", "-o", "out.jsonl", "--resume").code == 6
