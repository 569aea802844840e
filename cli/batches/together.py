"""A batch on a model that is split over several ranks: each runs every row, rank 0 alone writes.

Ranks must do the same forwards in the same order. So nothing may go by the clock, as drafts do.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from tether.cli.batches.job import Job
from tether.cli.batches.work import Ended, Pending, Work
from tether.cli.tasks import TaskMaker
from tether.decoding.models import ranks
from tether.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Leader:
    """See Runner: rank 0, which hands on each row as it takes it."""

    work: Work

    @classmethod
    def begin(cls, job: Job, maker: TaskMaker) -> tuple[Self, dict[str, Any]]:
        """Have all ranks load their parts; as `Job.begin`."""
        ranks.share(json.dumps(job.packed()).encode())
        work, decided = job.begin(maker)
        return cls(replace(work, drafts=False)), decided

    def run(self, pending: Iterable[Pending]) -> Iterator[Ended]:
        """See Runner.run."""
        return self.work.run(_handed_on(pending))


def follow() -> None:
    """Be another rank: do what rank 0 does, until it has ended, and say nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for rank 0; torchrun ends the others
    with suppress(UnavailableError):
        job = Job.unpacked(json.loads(ranks.share()))
        work, _ = job.begin(job.maker())
        for _ in replace(work, drafts=False).run(_heard()):
            pass


def _handed_on(pending: Iterable[Pending]) -> Iterator[Pending]:
    for row in pending:
        ranks.share(json.dumps(row.packed()).encode())
        yield row
    ranks.share()


def _heard() -> Iterator[Pending]:
    while word := ranks.share():
        yield Pending.unpacked(json.loads(word))
