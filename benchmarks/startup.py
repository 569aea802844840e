"""CPU time and peak memory from the shell: `tether --help` and `tether json`, beside torch alone.

CPU time is user + system of the whole process (`os.wait4`), so threads count and a busy disk does
not. `import torch` is the floor of anything that runs a model; the aim is `tether --help` under
0.15 s and `tether json` within 1.6 times the floor. `tether json` runs docs/examples/mail.txt
through the example schema, on the shipped model. Every command runs once before it is measured, and
finds its bytecode as installed programs do, whatever PYTHONDONTWRITEBYTECODE says here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from facts import ROOT
from rows import Options, Rows, Skipped, options, say
from timing import Figures, alternate, ratio, spreads

_EXAMPLES = ROOT / "docs" / "examples"
_FLOOR = "import torch"
_BYTECODE = Path(tempfile.gettempdir()) / "tether-bench-bytecode"


@dataclass(frozen=True, slots=True)
class Command:
    """A command line and what it reads; calling it runs it once."""

    arguments: list[str]
    stdin: Path = Path(os.devnull)

    def __call__(self) -> Figures:
        """CPU seconds, wall seconds and peak memory of one run.

        Raises:
            Skipped: It fails.
        """
        with self.stdin.open("rb") as given, tempfile.TemporaryFile() as said:
            began = time.perf_counter()
            child = subprocess.Popen(
                [sys.executable, *self.arguments], stdin=given, stdout=subprocess.DEVNULL,
                stderr=said, cwd=ROOT, env=_environment(),
            )  # fmt: skip
            _, status, used = os.wait4(child.pid, 0)
            spent = time.perf_counter() - began
            child.returncode = os.waitstatus_to_exitcode(status)  # wait4 has reaped it
            if child.returncode:
                said.seek(0)
                words = said.read().decode("utf-8", "replace").strip().splitlines()
                last = words[-1] if words else "nothing on stderr"
                raise Skipped(f"exit code {child.returncode}: {last}")
        return {
            "cpu_s": used.ru_utime + used.ru_stime,
            "wall_s": spent,
            "peak_mib": used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        }


def _environment() -> dict[str, str]:
    """This one, but that bytecode is kept from run to run, out of the sources' way."""
    own = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**own, "PYTHONPYCACHEPREFIX": str(_BYTECODE)}


def main() -> None:
    """Measure all commands that run here."""
    chosen = options(__doc__)
    results = Rows("startup", quick=chosen.quick)
    ready = {}
    for name, command in commands(chosen).items():
        say(f"startup: {name}")
        try:
            command()
        except Skipped as reason:
            say(f"Skipped: {name}: {reason}")
            results.add({"command": name}, note=str(reason))
        else:
            ready[name] = command
    rounds = alternate(ready, repeats=2 if chosen.quick else 7, budget_s=50.0)
    for name, measured in rounds.items():
        ratios = {
            f"{name}/{_FLOOR} {figure}": ratio(measured, rounds[_FLOOR], figure)
            for figure in ("cpu_s", "peak_mib")
        }
        results.add({"command": name}, spreads(measured), {} if name == _FLOOR else ratios)


def commands(chosen: Options) -> dict[str, Command]:
    """What is run, by the name it has in the rows."""
    schema = str(_EXAMPLES / "invoice.schema.json")
    model = ["--model", str(Path(chosen.model).resolve())] if chosen.model else []
    return {
        _FLOOR: Command(["-c", "import torch"]),
        "tether --help": Command(["-m", "tether", "--help"]),
        "tether json": Command(
            ["-m", "tether", "json", "--schema", schema, *model], _EXAMPLES / "mail.txt"
        ),
    }


if __name__ == "__main__":
    main()
