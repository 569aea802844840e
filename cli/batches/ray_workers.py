"""A batch over the machines of a Ray cluster, as its own process sees it.

Ray is loud, on stdout too, and starts threads and processes: it lives in a child. What goes there
is where rows lie in the file; what comes back are finished rows, as from any worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from tether.cli.batches.job import Job
from tether.cli.batches.process import Event, Process
from tether.cli.batches.shards import cut, fewer, num_rows
from tether.cli.batches.work import Ended, Pending
from tether.cli.batches.workers import unpacked_error
from tether.errors import UnavailableError, UsageError

_FILLINGS = 4
"""A shard fills the slots of its worker so many times: few stand empty at its end."""
_TURNS = 64
"""From so many shards a worker on they are made larger instead of more."""
_MODULE = "tether.cli.batches.ray_child"


class RayWorkers:
    """See Runner; a context manager.

    Args:
        job: The settings of the batch.
        source: The file of rows.

    Raises:
        UnavailableError: Ray is not installed.
        UsageError: The rows are in no file.
    """

    def __init__(self, job: Job, source: Path | None) -> None:
        if find_spec("ray") is None:
            raise UnavailableError(
                "Ray is not installed.", hint='Install it: pip install "tether[ray]".'
            )
        if source is None or not source.is_file():
            raise UsageError(
                "--ray needs a file of rows.", hint="Save them first: they are read by their place."
            )
        self._job, self._source = job, source.resolve()
        self._num: int = job.resolved["workers"]
        self._events: SimpleQueue[Event] = SimpleQueue()

    def __enter__(self) -> Self:
        """Start the child."""
        resolved = self._job.resolved
        told = {
            "job": self._job.packed(),
            "address": resolved["ray"],
            "num": self._num,
            "on_cpu": resolved["device"] == "cpu",
            "source": str(self._source),
        }
        command = (sys.executable, "-m", _MODULE)
        quiet = "TETHER_DEBUG" not in os.environ
        self._child = Process(told, 0, self._events, command, quiet=quiet)
        return self

    def __exit__(self, *_: object) -> None:
        """End the child, and what it started."""
        self._child.dismiss()
        self._child.end()

    def identity(self) -> dict[str, Any]:
        """All that decides the texts, as a worker of the cluster sees it.

        Raises:
            TetherError: What it says to the settings.
        """
        decided: dict[str, Any] = self._hear()["ready"]
        return decided

    def run(self, pending: Iterable[Pending]) -> Iterator[Ended]:
        """See Runner.run; reads all lines first, and keeps where they lie.

        Raises:
            TetherError: What a worker says to the settings.
            UnavailableError: The child was lost.
        """
        slots = self._job.resolved["slots"]
        pieces = cut(pending, max(1, slots // 4), self._num * _TURNS)
        most = _FILLINGS * slots
        for shard in fewer(pieces, min(most, sum(map(num_rows, pieces)) // self._num)):
            self._child.tell(shard)
        self._child.tell(None)
        while "row" in (said := self._hear()):
            yield Ended.unpacked(said["row"])

    def _hear(self) -> dict[str, Any]:
        _, said = self._events.get()
        if said is None:
            raise UnavailableError(
                f"What drives Ray has ended ({self._child.fate()}).", hint="Go on with --resume."
            )
        if "error" in said:
            raise unpacked_error(said["error"])
        return said
