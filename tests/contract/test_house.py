"""The rules of the house: lint, types, arrows between rooms, and what the wheel holds."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
ROOMS = ("cli", "grammars", "grounding", "decoding")


def run(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_check() -> None:
    run(SCRIPTS / "ruff", "check", ".")


def test_ruff_format() -> None:
    run(SCRIPTS / "ruff", "format", "--check", ".")


def test_mypy() -> None:
    run(SCRIPTS / "mypy")


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "docs"])
def test_mypy_beside_the_package(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPYPATH", f"src:{folder}")
    files = sorted(str(path) for path in (ROOT / folder).rglob("*.py"))
    run(SCRIPTS / "mypy", "--explicit-package-bases", *files)


def test_import_rules() -> None:
    run(SCRIPTS / "lint-imports")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel that is built from the source distribution, as a user's pip does."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


def test_wheel_top_level_is_tether_alone(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tether"}


def test_wheel_holds_every_file_of_the_rooms(wheel: list[str]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout: cannot tell the repository's files from others")
    held = set(wheel)
    assert [name for name in tracked if f"tether/{name}" not in held] == []
    assert "tether/py.typed" in held
