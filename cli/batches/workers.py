"""A batch over several processes: rows are dealt as workers come free, and again if one is lost.

A row counts as done when its worker has said so; what a lost worker had is dealt anew. A row that
was with two lost workers is dealt alone, so that one that kills its worker takes nobody with it,
and after the third it fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, Self

from tether import errors
from tether.cli.batches import process, rows
from tether.cli.batches.job import Job
from tether.cli.batches.journal import Record, check_identity
from tether.cli.batches.process import Dealt, Event, Process
from tether.cli.batches.records import failure_line
from tether.cli.batches.work import Ended, Pending
from tether.errors import TetherError, UnavailableError

_MOST_LOST = 3
"""Workers that a row may cost, and that may be lost one after the other before one is ready."""


class Workers:
    """See Runner; a context manager.

    Args:
        job: The settings of the batch.
        num: How many processes.
    """

    def __init__(self, job: Job, num: int) -> None:
        self._num = num
        self._job = replace(job, looks_ahead=False).packed()  # lines come as slots are free
        slots = job.resolved["slots"]
        self._room = slots + 1 + slots // 4  # some wait with the worker, so that it need not
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._processes: list[Process] = []
        self._again: deque[Dealt] = deque()
        self._suspects: deque[Dealt] = deque()
        self._decided: dict[str, Any] = {}
        self._num_lost_starts = 0

    def __enter__(self) -> Self:
        """Start the processes."""
        try:
            for number in range(self._num):
                self._start(number)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self._close()

    def identity(self) -> dict[str, Any]:
        """All that decides the texts, as soon as one of the workers knows it.

        Raises:
            TetherError: What a worker says to the settings.
            UnavailableError: Workers end while they load.
        """
        while not self._decided:
            list(self._hear())  # no row was dealt yet, so none ends
            self._refill()
        return self._decided

    def run(self, pending: Iterable[Pending]) -> Iterator[Ended]:
        """See Runner.run.

        Raises:
            TetherError: What a worker says to the settings.
            UnavailableError: Workers end while they load.
        """
        source = iter(pending)
        while True:
            self._deal(source)
            if not any(worker.dealt for worker in self._processes):
                return
            yield from self._hear()

    def _deal(self, source: Iterator[Pending]) -> None:
        """Give rows to those with the fewest, while they have room and there are rows."""
        while self._suspects:
            idle = next((p for p in self._staff() if not p.dealt), None)
            if idle is None:
                break
            idle.deal(self._suspects.popleft())
        while not self._suspects:
            free = [p for p in self._staff() if len(p.dealt) < self._room and not p.alone]
            if not free:
                return
            dealt = self._next(source)
            if dealt is None:
                break
            min(free, key=lambda worker: len(worker.dealt)).deal(dealt)
        for worker in self._processes:
            worker.drain()

    def _next(self, source: Iterator[Pending]) -> Dealt | None:
        if self._again:
            return self._again.popleft()
        pending = next(source, None)
        return None if pending is None else Dealt(pending)

    def _staff(self) -> list[Process]:
        """The processes, lost ones replaced."""
        self._refill()
        return self._processes

    def _refill(self) -> None:
        for number in {*range(self._num)} - {worker.number for worker in self._processes}:
            self._start(number)

    def _start(self, number: int) -> None:
        told = {"share": [number, self._num], "job": self._job}
        self._processes.append(Process(told, number, self._events, process.COMMAND))

    def _hear(self) -> Iterator[Ended]:
        """What the next word of a worker comes to."""
        worker, said = self._events.get()
        if said is None:
            yield from self._lose(worker)
        elif "row" in said:
            ended = Ended.unpacked(said["row"])
            del worker.dealt[ended.record.place]
            yield ended
        elif "ready" in said:
            self._welcome(worker, said["ready"])
        else:
            raise unpacked_error(said["error"])

    def _welcome(self, worker: Process, decided: dict[str, Any]) -> None:
        """Take a worker that has loaded what the others have."""
        if self._decided:
            check_identity(self._decided, decided)
        self._decided = decided
        worker.ready = True
        self._num_lost_starts = 0

    def _lose(self, worker: Process) -> Iterator[Ended]:
        """Deal anew what a lost worker had; yields the rows that have cost enough of them."""
        self._processes.remove(worker)
        worker.dismiss()
        fate = worker.fate()
        worker.end()
        self._num_lost_starts += not worker.ready
        if self._num_lost_starts == _MOST_LOST:
            raise UnavailableError(
                f"Workers end while they load ({fate}).",
                hint="Take fewer --workers: each holds a model of its own.",
            )
        for dealt in worker.dealt.values():
            num_lost = dealt.num_lost + worker.ready
            if num_lost == _MOST_LOST:
                yield failed(dealt.pending, fate)
            else:
                queue = self._suspects if num_lost > 1 else self._again
                queue.append(Dealt(dealt.pending, num_lost))

    def _close(self) -> None:
        for worker in self._processes:
            worker.dismiss()
        for worker in self._processes:
            worker.end()


def failed(pending: Pending, fate: str) -> Ended:
    """A row that was given up, since every worker that had it was lost."""
    row = rows.read(pending.line)
    error = UnavailableError(
        f"{_MOST_LOST} workers ended while they ran this row, the last alone with it ({fate}).",
        hint="Where memory was short, lower its max_tokens.",
    )
    line = failure_line(row, error, partial=False)
    return Ended(Record(pending.place, row.crc, False, line))


def unpacked_error(value: dict[str, Any]) -> TetherError:
    """The error that a worker packed, as itself."""
    kind: type[TetherError] = getattr(errors, value["class"])
    error = kind(value["message"], hint=value["hint"])
    error.pointer, error.excerpt = value["pointer"], value["excerpt"]
    return error
