"""kill -9 at any time loses nothing and duplicates nothing: the real program, the shipped model."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

KILLS = 3
NAMES = ["Lena Vogel", "Omar Reyes", "Ida Brandt", "Tom Okafor", "Mara Lindt", "Jon Keller"]
CITIES = ["Graz", "Porto", "Lund", "Turin", "Cork", "Bergen"]
SCHEMAS = ["name, city", "name, born date", "city, name, born date", "name, note?"]


def write_rows(path: Path, count: int) -> None:
    rng = random.Random(9)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            day = f"{rng.randint(1, 28)} June {rng.randint(1950, 2005)}"
            text = f"{rng.choice(NAMES)}, born on {day}, lives in {rng.choice(CITIES)}."
            row = {"id": f"r{number}", "prompt": text, "schema": rng.choice(SCHEMAS)}
            if number % 3 == 0:
                row |= {"temperature": 1.2, "seed": number}  # type: ignore[dict-item]
            file.write(json.dumps(row) + "\n")


def batch(folder: Path, out: str, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tether", "batch", "rows.jsonl", "-o", out, "--errors",
               f"{out}.errors", "--max-tokens", "90", *flags]  # fmt: skip
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TETHER_")}
    return subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, env={**kept, "HOME": str(folder)}
    )


def finished(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def test_killed_three_times_and_resumed(tmp_path: Path, *, whole: bool) -> None:
    count = 1000 if whole else 120
    write_rows(tmp_path / "rows.jsonl", count)
    plain = batch(tmp_path, "plain.jsonl")
    assert plain.wait() in (0, 6), plain.stderr.read().decode() if plain.stderr else ""

    for kill in range(1, KILLS + 1):
        process = batch(tmp_path, "killed.jsonl", "--resume")
        journal = tmp_path / "killed.jsonl.journal"
        while finished(journal) < kill * count // (KILLS + 1) and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None, "the batch ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stderr:
            process.stderr.close()
    resumed = batch(tmp_path, "killed.jsonl", "--resume")
    assert resumed.wait() == plain.returncode
    for process in (plain, resumed):
        if process.stderr:
            process.stderr.close()

    for name in ("{}.jsonl", "{}.jsonl.errors"):
        whole_file = (tmp_path / name.format("plain")).read_bytes()
        assert (tmp_path / name.format("killed")).read_bytes() == whole_file
    lines = [(tmp_path / f"plain.jsonl{end}").read_text().splitlines() for end in ("", ".errors")]
    ids = [json.loads(line)["id"] for part in lines for line in part]
    assert sorted(ids) == sorted(f"r{number}" for number in range(count))


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


def test_a_killed_worker_is_not_seen_in_the_output(tmp_path: Path) -> None:
    count = 40
    write_rows(tmp_path / "rows.jsonl", count)
    plain = batch(tmp_path, "plain.jsonl")
    shared = batch(tmp_path, "shared.jsonl", "--workers", "2", "--slots", "4")
    while finished(tmp_path / "shared.jsonl.journal") < 8 and shared.poll() is None:
        time.sleep(0.02)
    first, second = workers_of(shared)
    os.kill(first, signal.SIGKILL)
    codes = []
    for process in (plain, shared):
        _, err = process.communicate()
        codes.append((process.returncode, err))
    assert codes[0] == codes[1]
    assert not {first, second} & {int(p.name) for p in Path("/proc").glob("[0-9]*")}
    for end in ("", ".errors"):
        whole_file = (tmp_path / f"plain.jsonl{end}").read_bytes()
        assert (tmp_path / f"shared.jsonl{end}").read_bytes() == whole_file
