"""Schemas made to hurt: each is refused with a cure, or compiles; within 2 s of CPU and 1 GiB.

Every schema is compiled in a process of its own, where the operating system holds the limits.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile_schemas import HOSTILE

CHILD = Path(__file__).resolve().parents[1] / "hostile_child.py"
CPU_S = 2.0
MEMORY = 1 << 30
KILL_S = 5
"""CPU seconds after which the operating system ends the process."""
SAMPLE = 3
"""One in so many schemas is tried by default."""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (KILL_S, KILL_S))


def _run(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input=given, capture_output=True, text=True, check=False, preexec_fn=_limit,
    )  # fmt: skip


def _said(schema: str) -> dict[str, Any]:
    """What the process said of a schema; how it ended where it said nothing."""
    done = _run(CHILD, given=schema)
    if done.returncode:
        return {"outcome": f"exit {done.returncode}", "message": done.stderr[-300:], "cpu_s": 0}
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize(("number", "name"), list(enumerate(HOSTILE)))
def test_refused_with_a_cure_or_compiled_in_time(number: int, name: str, whole: bool) -> None:
    if number % SAMPLE and not whole:
        pytest.skip("one of many hostile schemas: set TETHER_TEST_ALL=1")
    said = _said(HOSTILE[name]())
    clear = said["outcome"] == "compiled" or (said["outcome"] == "refused" and said["hint"])
    assert clear, said
    assert said["cpu_s"] <= CPU_S, said


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.startswith("references")])
def test_the_linter_follows_long_chains(name: str) -> None:
    code = (
        "import sys; from tether.grammars.json_schema import schema_findings;"
        "schema_findings(sys.stdin.read())"
    )
    done = _run("-c", code, given=HOSTILE[name]())
    assert not done.returncode, done.stderr


def test_the_limits_hold() -> None:
    """The harness itself: a process that wants more than it may have is seen."""
    assert "MemoryError" in _run("-c", "bytearray(2 << 30)").stderr
