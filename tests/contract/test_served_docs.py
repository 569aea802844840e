"""The pages print the same where a server does what they show.

Commands that a server takes may not import torch here, so none falls back unseen.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from serving import Server

DOCS = Path(__file__).resolve().parents[2] / "docs"
SAMPLE = ("stream-json.md", "write-a-schema.md")
_WRAPPER = """#!/bin/sh
case "$1" in json|text|sparql) case " $* " in
*" --type "*|*" -m "*|*" --model "*|*" --amateur "*|*" --expert "*) ;;
*) export REFUSE_TORCH=1 ;;
esac esac
exec {python} -m tether "$@"
"""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


console = load("console")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        found = Server(Path(folder), ("--no-http",)).start()
        wrapper = found.home / "bin" / "tether"
        wrapper.parent.mkdir()
        wrapper.write_text(_WRAPPER.format(python=sys.executable))
        wrapper.chmod(0o755)
        yield found
        assert found.stop() == 0


def ran(server: Server, command: str, folder: Path) -> str:
    """As `console.run`, at the server's home."""
    environment = server.environment()
    path = [str(server.home / "bin"), str(Path(sys.executable).parent), environment["PATH"]]
    plain = {"NO_COLOR": "1", "COLUMNS": "90", "TERM": "dumb", "PATH": os.pathsep.join(path)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**environment, **plain}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=None, check=False,
    )  # fmt: skip
    text = done.stdout.replace(str(folder), ".")
    return text if not text or text.endswith("\n") else text + "\n"


@pytest.mark.parametrize("path", console.PAGES, ids=lambda path: path.name)
def test_pages_are_the_same_when_served(server: Server, path: Path, *, whole: bool) -> None:
    if not whole and path.name not in SAMPLE:
        pytest.skip("long: set TETHER_TEST_ALL=1")
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "docs").symlink_to(DOCS)
        for block in console.BLOCK.findall(page):
            commands = console.commands(block)
            shown = [console.shown(command) + ran(server, command, folder) for command in commands]
            assert "".join(shown) == block
