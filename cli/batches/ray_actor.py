"""What runs on the machines of a Ray cluster: readers of the file of rows, and workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray

from tether.cli.batches.child import packed_error
from tether.cli.batches.job import Job
from tether.cli.batches.journal import check_identity
from tether.cli.batches.shards import Run, read_shard

Batch = dict[str, npt.NDArray[np.object_]]


class Source:
    """Reads the file of rows, on the machine that has it."""

    def __init__(self, path: str) -> None:
        self._stream = Path(path).open("rb")  # noqa: SIM115 (as long as the actor lives)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from one offset up to another."""
        self._stream.seek(start)
        return self._stream.read(end - start)


def decide(job: dict[str, Any]) -> dict[str, Any]:
    """All that decides the texts, as this machine sees it, or why there can be none."""
    try:
        unpacked = Job.unpacked(job)
        return {"ready": unpacked.begin(unpacked.maker())[1]}
    except Exception as error:
        return {"error": packed_error(error)}


class Actor:
    """A worker. Errors are results too: Ray would run them again.

    Args:
        job: The settings of the batch.
        decided: What its machine, too, must say to `decide`.
        source: A `Source`.
    """

    def __init__(self, job: dict[str, Any], decided: dict[str, Any], source: Any) -> None:  # noqa: ANN401
        self._source = source
        self._problem: dict[str, Any] | None = None
        try:
            unpacked = Job.unpacked(job)
            self._work, found = unpacked.begin(unpacked.maker())
            check_identity(decided, found)
        except Exception as error:
            self._problem = packed_error(error)

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        """Run the shards `batch["runs"]`; what came of each, as JSON in `said`."""
        return {"number": [*batch["number"]], "said": [*map(self._said, batch["runs"])]}

    def _said(self, runs: str) -> str:
        if self._problem is None:
            try:
                pending = read_shard([Run(*run) for run in json.loads(runs)], self._read)
                return json.dumps({"rows": [ended.packed() for ended in self._work.run(pending)]})
            except Exception as error:
                self._problem = packed_error(error)
        return json.dumps({"error": self._problem})

    def _read(self, start: int, end: int) -> bytes:
        data: bytes = ray.get(self._source.read.remote(start, end))
        return data
