"""CPU time and peak memory of `tether batch` itself, by the number of rows; no model runs.

The engine is the scripted one of the tests (tests/fake_engine.py), which says each prompt back at
once. What is left is what a batch adds to every row: reading, settings, prompt, journal, output.
Peak memory should be the same for ten thousand rows and for a million.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from facts import ROOT
from rows import Rows, Skipped, options, say
from startup import Command
from timing import Figures, ratio, spreads

_SIZES = (10_000, 100_000, 1_000_000)
_CHILD = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import fake_engine
from tether.cli import app
fake_engine.install().keep = False
sys.exit(app.run(sys.argv[1:]))
"""


def main() -> None:
    """Run a batch of each size, once."""
    chosen = options(__doc__)
    results = Rows("batch", quick=chosen.quick)
    measured: list[Figures] = []
    for size in (100, 1_000) if chosen.quick else _SIZES:
        say(f"batch: {size:,} rows")
        try:
            with _batch(size) as command:
                measured.append(_by_row(command(), size))
        except Skipped as reason:
            say(f"Skipped: {size:,} rows: {reason}")
            results.add({"rows": size}, note=str(reason))
            continue
        least = ratio(measured[-1:], measured[:1], "peak_mib")
        results.add(
            {"rows": size},
            spreads(measured[-1:]),
            {"these/fewest rows peak_mib": least} if len(measured) > 1 else {},
        )


@contextmanager
def _batch(size: int) -> Iterator[Command]:
    """A batch of rows with ids, to a file and its journal."""
    with TemporaryDirectory() as folder:
        source, out = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        with source.open("w", encoding="utf-8") as file:
            for number in range(size):
                file.write(f'{{"id":"row-{number}","prompt":"The text of row {number}."}}\n')
        tests = str(ROOT / "tests")
        yield Command(["-c", _CHILD, tests, "batch", str(source), "-o", str(out)])
        lines = sum(1 for _ in out.open("rb"))
        assert lines == size, f"{lines} of {size} rows came out"


def _by_row(figures: Figures, size: int) -> Figures:
    return {**figures, "row_us": figures["cpu_s"] / size * 1e6}


if __name__ == "__main__":
    main()
