"""The second call: `tether json` done by a running `tether serve`, and by itself.

Wall seconds of the whole command, its CPU time, and what the server spent on it (Linux). The aim is
a quarter of a second on the shipped model. `python -c pass` is the floor of anything in Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rows import Rows, Skipped, options, say
from startup import Command
from timing import Figures, alternate, ratio, spreads

_ASKED = ["-m", "tether", "json", "Lena Vogel, born 14 June 1990, lives in Graz.",
          "--schema", "name, born date, city"]  # fmt: skip
_FLOOR = "python -c pass"


@dataclass(frozen=True, slots=True)
class Served:
    """A command that the server with this process id does."""

    command: Command
    server: int

    def __call__(self) -> Figures:
        """The figures of the command, and the CPU seconds of the server.

        Raises:
            Skipped: It fails.
        """
        before = _cpu_s(self.server)
        figures = self.command()
        return {**figures, "server_cpu_s": _cpu_s(self.server) - before}


def _cpu_s(process: int) -> float:
    """CPU seconds of a process so far, to a hundredth; 0 where the system does not say."""
    path = Path(f"/proc/{process}/stat")
    if not path.is_file():
        return 0.0
    spent = path.read_text().rpartition(")")[2].split()
    return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving() -> Iterator[int]:
    """A server of the shipped model; its process id.

    Raises:
        Skipped: It does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TETHER_RUNTIME_DIR"] = folder
        server = subprocess.Popen(
            [sys.executable, "-m", "tether", "serve", "--no-http"], stderr=subprocess.PIPE
        )
        assert server.stderr is not None
        if b"serving" not in server.stderr.readline():
            raise Skipped("the server does not start")
        try:
            yield server.pid
        finally:
            server.terminate()
            server.communicate()


def main() -> None:
    """Measure in turn: the floor, served, and alone."""
    chosen = options(__doc__)
    results = Rows("serve", quick=chosen.quick)
    with serving() as server:
        ready: dict[str, Callable[[], Figures]] = {
            _FLOOR: Command(["-c", "pass"]),
            "served": Served(Command(_ASKED), server),
            "alone": Command([*_ASKED, "--server", "never"]),
        }
        say("serve: in turn")
        repeats, budget_s = (2, 50.0) if chosen.quick else (30, 240.0)
        rounds = alternate(ready, repeats=repeats, budget_s=budget_s)
    for name, measured in rounds.items():
        ratios = {f"alone/{name} wall_s": ratio(rounds["alone"], measured, "wall_s")}
        results.add({"command": name}, spreads(measured), ratios if name == "served" else {})


if __name__ == "__main__":
    main()
