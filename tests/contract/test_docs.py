"""The pages show what the program prints today."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


console = load("console")


@pytest.mark.parametrize("path", console.PAGES, ids=lambda path: path.name)
def test_outputs_are_real(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert console.refreshed(page) == page, f"stale: run python docs/console.py ({path})"


def test_links_lead_somewhere() -> None:
    """Every relative link of every page names a file that exists."""
    import re

    broken = []
    for page in [DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(DOCS.parent)}: {target}")
    assert broken == []
