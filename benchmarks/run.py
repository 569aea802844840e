"""Run benchmarks one after the other, each in a process of its own, and show what they wrote.

python benchmarks/run.py                 # all, in under 20 minutes on two cores
python benchmarks/run.py loop step       # some
python benchmarks/run.py --quick         # a few tokens of each, to see that all of it runs
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from facts import ROOT
from rich.console import Console
from rich.table import Table
from rows import RESULTS, parser, say

HERE = Path(__file__).resolve().parent
# Seconds after which a benchmark is stopped; what it wrote by then stays.
LIMITS = {
    "startup": 90, "serve": 330,
    "batch": 400, "step": 90, "loop": 240, "drafts": 400, "peers": 600, "head": 300,
    "verbatim": 240, "forward": 300, "throughput": 900,
    "gpu": 600,
}  # fmt: skip

Row = dict[str, Any]


def main() -> int:
    """Run what was asked for; 1 where a benchmark failed or was stopped."""
    shared = parser(__doc__)
    shared.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(LIMITS)}")
    given = shared.parse_args()
    unknown = set(given.names) - LIMITS.keys()
    if unknown:
        shared.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(LIMITS)}")
    flags = ["--quick"] if given.quick else []
    flags += ["--model", str(Path(given.model).resolve())] if given.model else []
    failed = []
    for name in given.names or LIMITS:
        held = len(_rows(name))
        if not _run(name, flags):
            failed.append(name)
        show(name, _rows(name)[held:])
    if failed:
        say(f"Failed: {', '.join(failed)}.")
    return 1 if failed else 0


def _run(name: str, flags: list[str]) -> bool:
    """Run one benchmark; whether it ended well and in time."""
    # The sources stand in src/ also where the package is not installed.
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(HERE / f"{name}.py"), *flags]
    try:
        done = subprocess.run(command, env=environment, timeout=LIMITS[name], check=False)
    except subprocess.TimeoutExpired:
        say(f"{name} was stopped after {LIMITS[name]} s; its rows so far are kept.")
        return False
    return done.returncode == 0


def _rows(name: str) -> list[Row]:
    path = RESULTS / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def show(name: str, rows: list[Row]) -> None:
    """A table on stdout: a line a row, medians with smallest and largest."""
    if not rows:
        return
    table = Table(title=name, title_justify="left")
    for column in ("case", "figures", "ratios"):
        table.add_column(column, overflow="fold")
    for row in rows:
        case = "  ".join(f"{key} {value}" for key, value in row["case"].items())
        table.add_row(case, row["note"] or _lines(row["figures"]), _lines(row["ratios"]))
    Console().print(table)


def _lines(spreads: dict[str, dict[str, float]]) -> str:
    return "\n".join(
        f"{name} {s['median']:g}" + (f" ({s['min']:g} … {s['max']:g})" if s["n"] > 1 else "")
        for name, s in spreads.items()
    )


if __name__ == "__main__":
    sys.exit(main())
