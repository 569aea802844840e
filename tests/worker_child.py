"""Batches over workers without a model: run as a program, this is the worker or the batch.

Without arguments it is a worker on a fake engine; with arguments it is `tether` whose workers are
that. Beside what the fake engine knows, a prompt may say `"kill": "always"`, or the name of a file:
its worker then kills itself, the second time only where that file is not there yet.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

from fake_engine import FakeEngine

from tether.cli import engine
from tether.cli.batches import process
from tether.decoding.prompt import Prompt

COMMAND = (sys.executable, str(Path(__file__).resolve()))


class Fragile(FakeEngine):
    """A fake engine that some prompts kill."""

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """As usual, where the prompt lets it."""
        if '"kill"' in prompt.text:
            _perish(json.loads(prompt.text)["kill"])
        return super().encode(prompt)


def _perish(how: str) -> None:
    if how != "always":
        try:
            os.close(os.open(how, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """The worker, or the batch."""
    if sys.argv[1:]:
        from tether.cli import app

        process.COMMAND = COMMAND
        sys.exit(app.run(sys.argv[1:]))
    from tether.cli.batches import child

    if pids := os.environ.get("WORKER_PIDS"):
        (Path(pids) / str(os.getpid())).touch()
    # Sharing the processor would import torch.
    share: Any = types.SimpleNamespace(take=lambda number, num: None)
    sys.modules["tether.decoding.models.share"] = share
    fake = Fragile(float(os.environ.get("WORKER_DELAY", "0")))
    fake.keep = False
    engine.load = lambda settings: fake
    child.main()


if __name__ == "__main__":
    main()
