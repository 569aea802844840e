"""A real server in a process of its own, and commands that must be done by it.

A command that falls back to this process's own model would import torch; here that is refused, so
what passes was served.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from command_line import Ran

_REFUSAL = """
import os, sys

class _Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ImportError("a served command must not import torch")

if os.environ.get("REFUSE_TORCH"):
    sys.meta_path.insert(0, _Refuse())
"""


@dataclass
class Server:
    """A `tether serve` that runs.

    Attributes:
        home: Its home, and that of its clients; sockets lie in `home/run`.
        flags: Of `tether serve`.
    """

    home: Path
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.home / "serve.log"
        (self.home / "site").mkdir(parents=True, exist_ok=True)
        (self.home / "site" / "sitecustomize.py").write_text(_REFUSAL)

    @property
    def run_dir(self) -> Path:
        """Where its sockets are."""
        return self.home / "run"

    def environment(self) -> dict[str, str]:
        """What it and its clients have in common."""
        dropped = ("TETHER_", "XDG_", "REFUSE_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
        paths = [str(self.home / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            **kept,
            "HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join(paths),
            "TETHER_RUNTIME_DIR": str(self.run_dir),
            "OMP_NUM_THREADS": "1",
        }

    def start(self) -> Server:
        """Start it and wait until it serves."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tether", "serve", *self.flags],
                cwd=self.home, env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + 120
        while "serving" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.05)
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; its exit code."""
        assert self.process is not None, "it was started"
        self.process.send_signal(number)
        return self.process.wait(60)

    def popen(
        self, *args: str, served: bool = True, cwd: Path | None = None, **more: str
    ) -> subprocess.Popen[bytes]:
        """Begin a command."""
        refusal = {"REFUSE_TORCH": "1"} if served else {}
        return subprocess.Popen(
            [sys.executable, "-m", "tether", *args],
            cwd=cwd or self.home, env={**self.environment(), **refusal, **more},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def tether(
        self,
        *args: str,
        stdin: str = "",
        served: bool = True,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a command; `served` refuses it torch, so that only the server can do it."""
        process = self.popen(*args, served=served, cwd=cwd, **(environment or {}))
        out, err = process.communicate(stdin.encode(), timeout=120)
        return Ran(process.returncode, out.decode(), err.decode())
