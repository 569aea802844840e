"""`tether batch --ray`: the same bytes through Ray Data, each row once, whoever is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import Tether

from tether.cli.batches import ray_workers, rows
from tether.cli.batches.shards import cut, fewer, num_rows, read_shard
from tether.cli.batches.work import Pending


def waiting(path: Path, done: set[int]) -> list[Pending]:
    with path.open("rb") as stream:
        kept = [line for line in rows.lines(stream) if line.index not in done]
    return [Pending(place, line) for place, line in enumerate(kept)]


@pytest.mark.parametrize(("least", "most"), [(1, 1000), (3, 4), (7, 1)])
def test_shards_name_every_row_once(home: Path, least: int, most: int) -> None:
    rng = random.Random(5)
    texts = [b"\n" * rng.randint(0, 2) + b" %d" % n + rng.choice([b"\n", b"\r\n"])
             for n in range(200)]  # fmt: skip
    (home / "in").write_bytes(b"".join(texts))
    data = (home / "in").read_bytes()
    wanted = waiting(home / "in", {0, 7, 8, 9, 50, 199})
    shards = cut(iter(wanted), least, most)
    assert len(shards) <= 2 * most + 1
    assert all(num_rows(shard) >= least for shard in shards[:-1])
    for found in (shards, fewer(shards, 40)):
        read = [row for shard in found for row in read_shard(shard, lambda a, b: data[a:b])]
        assert [row.line.data for row in read] == [row.line.data for row in wanted]
        assert [(row.place, row.line.index) for row in read] == [
            (row.place, row.line.index) for row in wanted
        ]
        for row in read:
            assert data[row.line.start : row.line.end].strip() == row.line.data
    assert replace(wanted[0].line, end=0) == rows.Line(1, b"1", wanted[0].line.start)


def test_without_ray(tether: Tether, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_workers, "find_spec", lambda name: None)
    (home / "in.jsonl").write_text('{"prompt": "x"}\n')
    ran = tether("batch", "in.jsonl", "--ray", "local")
    assert (ran.code, ran.out) == (7, "")
    assert ran.err == 'tether: Ray is not installed.\nInstall it: pip install "tether[ray]".\n'


@pytest.fixture
def _installed() -> None:
    pytest.importorskip("ray", reason='not installed: pip install "tether[ray]"')


@pytest.mark.usefixtures("_installed")
def test_rows_must_be_in_a_file(tether: Tether, home: Path) -> None:
    ran = tether("batch", "--ray", "local", stdin='{"prompt": "x"}\n')
    assert (ran.code, ran.out) == (2, "")
    assert "--ray needs a file of rows." in ran.err


@pytest.mark.usefixtures("_installed")
def test_a_cluster_that_is_not_there(tether: Tether, home: Path) -> None:
    (home / "in.jsonl").write_text('{"prompt": "x"}\n')
    ran = tether("batch", "in.jsonl", "--ray", "127.0.0.1:1")
    assert (ran.code, ran.out) == (7, "")
    assert "No Ray cluster can be joined at '127.0.0.1:1': " in ran.err
    assert "--ray local" in ran.err


def below(pid: int) -> dict[int, str]:
    """The processes that this one started, and those that they did: id to title."""
    parents, titles = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    found: dict[int, str] = {}
    left = [pid]
    while left:
        children = [child for child, parent in parents.items() if parent in left]
        found |= {child: titles[child] for child in children}
        left = children
    return found


def program(home: Path, *args: str) -> subprocess.Popen[bytes]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TETHER_")}
    # The machine that runs the tests may be full for reasons that are not ours.
    kept |= {"HOME": str(home), "RAY_memory_monitor_refresh_ms": "0"}
    command = [sys.executable, "-m", "tether", "batch", "in.jsonl", "--slots", "2", *args]
    return subprocess.Popen(command, cwd=home, env=kept, stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.usefixtures("_installed")
def test_a_killed_actor_is_not_seen_in_the_output(home: Path) -> None:
    written: list[Any] = [
        {"id": f"é{n}", "prompt": f"Omar Reyes, born on {n + 1} June 1990, lives in Lund.",
         "schema": "name, born date, city", "temperature": n % 3}
        for n in range(28)
    ]  # fmt: skip
    written[9] = {"prompt": "x", "shcema": 1}
    (home / "in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in written))
    plain = program(home, "-o", "plain.jsonl")
    shared = program(home, "-o", "shared.jsonl", "--workers", "2", "--ray", "local")
    killed = 0
    while not killed and shared.poll() is None:
        time.sleep(0.05)
        if (home / "shared.jsonl").exists() and (home / "shared.jsonl").stat().st_size:
            started = below(shared.pid)
            actors = [pid for pid, title in started.items() if title.startswith("ray::MapWorker")]
            killed = actors[0]
            os.kill(killed, signal.SIGKILL)
    said = [process.communicate() for process in (plain, shared)]
    assert killed
    assert (plain.returncode, shared.returncode) == (6, 6), said
    assert said[0] == said[1]
    for end in ("", ".journal"):
        assert (home / f"shared.jsonl{end}").read_bytes() == (
            home / f"plain.jsonl{end}"
        ).read_bytes()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/exe").exists() for pid in started) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [pid for pid in started if Path(f"/proc/{pid}/exe").exists()]
