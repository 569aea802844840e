"""One JSON line a measurement: what was measured, on what, with which versions.

Knows files, the machine and the command line all benchmarks share; measures nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from facts import ROOT, commit, machine, versions

RESULTS = Path(__file__).resolve().parent / "results"

Spread = Mapping[str, float]


class Skipped(Exception):  # a reason to go on without, not a failure
    """Something is not at hand; the message says what and how to get it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What every benchmark takes from its command line.

    Attributes:
        quick: Few tokens and rounds, to see that all of it runs; its rows say so.
        model: A checkpoint directory in place of the shipped model.
    """

    quick: bool
    model: str | None


def parser(description: str | None) -> argparse.ArgumentParser:
    """The shared options; `options` reads them."""
    shared = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    shared.add_argument("--quick", action="store_true", help="few tokens and rounds")
    shared.add_argument("--model", help="checkpoint directory in place of the shipped model")
    return shared


def options(description: str | None) -> Options:
    """The shared options of this process."""
    given = parser(description).parse_args()
    return Options(quick=given.quick, model=given.model)


class Rows:
    """The rows of one benchmark: appended to its file one by one, so that none is lost."""

    def __init__(self, name: str, *, quick: bool, path: Path | None = None) -> None:
        self.path = path or RESULTS / f"{name}.jsonl"
        self._name, self._quick = name, quick

    def add(
        self,
        case: Mapping[str, object],
        figures: Mapping[str, Spread] | None = None,
        ratios: Mapping[str, Spread] | None = None,
        *,
        device: str = "cpu",
        settings: Mapping[str, object] | None = None,
        note: str = "",
    ) -> None:
        """Append one row.

        Args:
            case: What tells this row from its neighbours: engine, model, batch.
            figures: Name (with its unit) to median, min and max.
            ratios: "ours/theirs figure" to the same, divided within each round.
            device: Where the tensors were.
            settings: Everything else one needs to run it again.
            note: For people: why a figure is missing.
        """
        row = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit(),
            "benchmark": self._name,
            "case": dict(case),
            "figures": dict(figures or {}),
            "ratios": dict(ratios or {}),
            "note": note,
            "settings": {"quick": self._quick, **(settings or {})},
            "device": device,
            "machine": machine(),
            "versions": versions(),
        }
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Progress, for people: stderr."""
    print(text, file=sys.stderr, flush=True)


def from_tests(path: str) -> ModuleType:
    """A module of tests/: speed and truth are measured with the same inputs and baselines."""
    spec = spec_from_file_location(f"tests_{Path(path).stem}", ROOT / "tests" / path)
    assert spec is not None, f"tests/{path} is no Python file"
    assert spec.loader is not None, f"tests/{path} cannot be loaded"
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
