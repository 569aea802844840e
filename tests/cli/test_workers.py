"""`tether batch --workers`: the same bytes, each row once, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import worker_child
from command_line import Tether
from fake_engine import FakeEngine

from tether.cli import app
from tether.cli.batches import process
from tether.cli.batches.work import Ended, Pending


@pytest.fixture(autouse=True)
def _fake_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COMMAND", worker_child.COMMAND)


def said(text: str, **script: Any) -> dict[str, Any]:
    return {"prompt": json.dumps({"say": text, **script})}


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")


MIXED: list[Any] = [
    *({**said(f"row {n} é", steps=1 + n * 7 % 5), "id": f"r{n}"} for n in range(40)),
    {"prompt": "x", "shcema": 1},
    said("", finish="limit", message="Too long."),
    {**said("green"), "choices": ["red", "green"], "temperature": 1},
    {**said("last"), "evidence": "\ud800"},
]
FILES = ("in.jsonl", "-o", "out.jsonl", "--errors", "e.jsonl", "--overwrite")


def test_same_bytes_as_one_worker(tether: Tether, fake: FakeEngine, home: Path) -> None:
    write(home / "in.jsonl", MIXED)
    with (home / "in.jsonl").open("ab") as stream:
        stream.write(b'{"prompt": "\xff"}\n')
    found = []
    for workers in ("1", "2"):
        assert tether("batch", *FILES, "--slots", "3", "--workers", workers).code == 6
        found.append([(home / name).read_bytes() for name in ("out.jsonl", "e.jsonl")])
    assert found[0] == found[1]
    assert len(found[0][0].splitlines()) == 42


def test_unordered_holds_each_row_once(tether: Tether, home: Path) -> None:
    said_so = [{"role": "user", "content": "hi"}]
    rows = [{"custom_id": str(n), "body": {"model": "other", "messages": said_so}}
            for n in range(50)]  # fmt: skip
    write(home / "in.jsonl", rows)
    ran = tether("batch", "in.jsonl", "--unordered", "--slots", "2", "--workers", "2", "--stats")
    assert sorted(int(row["custom_id"]) for row in ran.rows) == [*range(50)]
    note, stats = ran.err.splitlines()
    assert note == "tether: Rows ask for the model 'other'; fake answers them."
    assert stats.startswith("50 rows, 0 failed, 100 tokens, ")


def test_a_row_that_kills_its_workers_fails_alone(tether: Tether, home: Path) -> None:
    """A worker that is lost by chance costs nobody anything."""
    rows = [said(f"row {n}", steps=3) for n in range(40)]
    rows[25] = said("row 25", kill="died")
    rows[5] = {**said("x", kill="always"), "id": "deadly"}
    write(home / "in.jsonl", rows)
    ran = tether("batch", *FILES, "--slots", "4", "--workers", "2")
    assert ran.code == 6
    written = map(json.loads, (home / "out.jsonl").read_text().splitlines())
    assert [row["index"] for row in written] == [n for n in range(40) if n != 5]
    failure = json.loads((home / "e.jsonl").read_text())
    assert (failure["id"], failure["reason"]) == ("deadly", "unavailable")
    assert "3 workers ended while they ran this row" in failure["message"]
    assert "signal 9" in failure["message"]
    assert (home / "died").exists()


def test_an_error_that_ends_the_batch_ends_it(tether: Tether, home: Path) -> None:
    rows = [said(f"row {n}") for n in range(9)]
    rows[4] = said("", raises="ModelError")
    write(home / "in.jsonl", rows)
    ran = tether("batch", "in.jsonl", "-o", "out.jsonl", "--slots", "2", "--workers", "2")
    assert (ran.code, ran.out, ran.err) == (7, "", "tether: The script says so.\n")


def test_workers_that_never_get_ready(
    tether: Tether, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", "import os; os.abort()"))
    write(home / "in.jsonl", [said("x")])
    ran = tether("batch", "in.jsonl", "--workers", "2")
    assert (ran.code, ran.out) == (7, "")
    assert ran.err == (
        "tether: Workers end while they load (signal 6).\n"
        "Take fewer --workers: each holds a model of its own.\n"
    )


def test_resume_with_another_number_of_workers(
    tether: Tether, fake: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "in.jsonl", [said(f"row {n}", steps=1 + n % 3) for n in range(60)])
    encode, count = fake.encode, 0

    def pressed(prompt: Any) -> tuple[int, ...]:
        nonlocal count
        count += 1
        if count == 30:
            raise KeyboardInterrupt
        return encode(prompt)

    monkeypatch.setattr(fake, "encode", pressed)
    args = ("batch", "in.jsonl", "-o", "out.jsonl", "--slots", "4", "--resume")
    assert tether(*args).code == 130
    ran = tether(*args, "--workers", "2", "--stats")
    assert ran.code == 0, ran.err
    assert 30 <= int(ran.err.split()[0]) <= 30 + 4 + 16  # ran, or were looked at ahead
    whole = [f'{{"index":{n},"output":"row {n}"}}' for n in range(60)]
    assert (home / "out.jsonl").read_text().splitlines() == whole


@pytest.fixture
def pids(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workers leave their process ids; they are slow."""
    folder = home / "pids"
    folder.mkdir()
    monkeypatch.setenv("WORKER_PIDS", str(folder))
    monkeypatch.setenv("WORKER_DELAY", "0.02")
    monkeypatch.setenv("PYTHONPATH", str(Path(worker_child.__file__).parent))
    return folder


def alive(pids: Path) -> list[int]:
    """The workers that run; one that only waits to be buried does not."""
    return [int(path.name) for path in pids.iterdir() if _state(int(path.name)) not in "ZX"]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def within(seconds: float, pids: Path) -> bool:
    until = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pids)


def started(home: Path, *flags: str, **options: Any) -> subprocess.Popen[bytes]:
    """A batch of many rows over two workers, some of which are done."""
    write(home / "in.jsonl", [said(f"row {n}", steps=1 + n % 5) for n in range(4000)])
    command = [*worker_child.COMMAND, "batch", "in.jsonl", "--workers", "2", *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True, **options)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_batch(home: Path, pids: Path, sent: signal.Signals) -> None:
    batch = started(home, "-o", "out.jsonl")
    out = home / "out.jsonl"
    while not (out.exists() and out.stat().st_size and len(alive(pids)) == 2):
        assert batch.poll() is None
        time.sleep(0.02)
    os.kill(batch.pid, sent)
    _, err = batch.communicate(timeout=20)
    assert within(5, pids)
    assert batch.returncode == (130 if sent == signal.SIGINT else -sent)
    if sent == signal.SIGINT:
        assert err.decode().startswith("tether: Interrupted after ")
        assert err.decode().endswith(" rows.\nGo on with --resume.\n")


def test_a_closed_pipe_ends_the_workers(home: Path, pids: Path) -> None:
    batch = started(home, stdout=subprocess.PIPE)
    assert batch.stdout is not None
    assert json.loads(batch.stdout.readline())["index"] == 0
    batch.stdout.close()
    _, err = batch.communicate(timeout=20)
    assert (batch.returncode, err) == (0, b"")
    assert within(5, pids)


def test_memory_does_not_grow_with_the_rows(home: Path) -> None:
    peaks = []
    for num_rows in (200, 200, 1500):  # what is made once is made at first
        write(home / "in.jsonl", [{"prompt": f"text {n}", "id": f"r{n}"} for n in range(num_rows)])
        tracemalloc.start()
        try:
            assert app.run(["batch", *FILES, "--workers", "2"]) == 0
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # How many rows are under way differs; every row that was kept would be some 300 bytes.
    assert peaks[2] - peaks[1] < 100 * 1300


def test_what_goes_between_processes_comes_back() -> None:
    for data in (b'{"prompt": "\xff\xed\xa0\x80\xc3\xa9"}', "{é}".encode(), b"\x00"):
        pending = Pending.unpacked(json.loads(json.dumps([7, 9, ""])))
        pending = pending._replace(line=type(pending.line)(9, data))
        assert Pending.unpacked(json.loads(json.dumps(pending.packed()))) == pending
    ended = Ended.unpacked([[3, 5, True, "{}"], 1, 2, 3, [["model", "Rows ask."]]])
    assert Ended.unpacked(json.loads(json.dumps(ended.packed()))) == ended
