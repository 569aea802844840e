"""Fixtures of the face's tests: a fake engine, an empty home, a way to run a command line."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from command_line import Ran, Tether
from fake_engine import FakeEngine

from tether.cli import app, engine


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to stand in, with no settings from outside."""
    for name in [name for name in os.environ if name.startswith("TETHER_")]:
        monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("TETHER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("TETHER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    found = FakeEngine()
    monkeypatch.setattr(engine, "load", lambda settings: found)
    return found


class _Stdin(io.TextIOWrapper):
    """A pipe, or a terminal that nobody types at."""

    def __init__(self, data: bytes | None) -> None:
        super().__init__(io.BytesIO(data or b""), encoding="utf-8")
        self._terminal = data is None

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def tether(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Tether:
    """Run a command line in this process; stdin None is a terminal."""

    def run(*args: str, stdin: str | bytes | None = None) -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", _Stdin(data))
        capfdbinary.readouterr()
        code = app.run(list(args))
        sys.stdout.flush()
        found = capfdbinary.readouterr()
        return Ran(code, found.out.decode(), found.err.decode())

    return run
