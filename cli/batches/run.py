"""One batch from input lines to output lines: skip what is done, run the rest, write each row.

Knows rows, tasks and outputs; not flags. Memory does not grow with the batch, but for eight bytes
a row that a resumed journal already holds, and forty a row that failed ahead of its turn.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Protocol

from tether.cli.batches import rows
from tether.cli.batches.journal import Record
from tether.cli.batches.output import BatchOutput
from tether.cli.batches.records import record
from tether.cli.batches.retry import Retry
from tether.cli.batches.rows import Line, Row
from tether.cli.overlooked import overlooked
from tether.cli.session import Outcome, Session, Task
from tether.cli.tasks import TaskMaker
from tether.errors import ProfileError, UsageError


class Watcher(Protocol):
    """Is told how a batch goes on; see `progress.py`."""

    def fed(self, line: Line) -> None:
        """A line was read."""

    def ended(self, outcome: Outcome) -> None:
        """A row ended."""


@dataclass
class Done:
    """Which rows a journal holds: the checksum of each one's input line, plus one; 0 is none."""

    _crcs: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, done: Record) -> None:
        """Note a row."""
        missing = done.place + 1 - len(self._crcs)
        if missing > 0:
            self._crcs.extend([0] * missing)
        self._crcs[done.place] = done.crc + 1

    def holds(self, place: int, line: Line) -> bool:
        """Whether this row is done.

        Raises:
            ProfileError: It was, from another line.
        """
        crc = self._crcs[place] if place < len(self._crcs) else 0
        if crc and crc != line.crc + 1:
            raise ProfileError(
                f"The batch cannot be resumed: row {line.index} of the input changed.",
                hint="Give the same input, or start again with --overwrite.",
                pointer=str(line.index),
            )
        return bool(crc)

    def check_end(self, num_rows: int) -> None:
        """Refuse an input that is shorter than what is done."""
        if num_rows < len(self._crcs):
            raise ProfileError(
                f"The batch cannot be resumed: the input has {num_rows} rows, "
                f"the journal {len(self._crcs)}.",
                hint="Give the same input, or start again with --overwrite.",
            )


@dataclass
class Batch:
    """The parts of a batch that is about to run.

    Attributes:
        retry: The rows to run; None runs all.
        watcher: Is told of every row.
        told: What was said once about rows that ask for what the model has not.
    """

    session: Session
    maker: TaskMaker
    output: BatchOutput
    retry: Retry | None = None
    watcher: Watcher | None = None
    done: Done = field(default_factory=Done)
    told: set[str] = field(default_factory=set)

    def run(self, stream: IO[bytes], *, slots: int) -> None:
        """Run every row that is not done yet and write it.

        Raises:
            ProfileError: The input is not the one that the journal knows.
            UsageError: The rows to run again are not those of this input.
            OutputError: The disk is full, or the like.
        """
        for replayed in self.output.replay():
            self.done.add(replayed)
        tasks = self._tasks(rows.lines(stream))
        for outcome in self.session.run(tasks, slots=slots):
            place, row = outcome.task.origin
            self.output.add(record(place, row, outcome, self.session.engine.name))
            if self.watcher is not None:
                self.watcher.ended(outcome)

    def _tasks(self, source: Iterable[Line]) -> Iterator[Task]:
        place = 0
        for line in self._selected(source):
            if not self.done.holds(place, line):
                row = rows.read(line, self.maker.template)
                self._check_retry(row)
                task = self.maker.task(row, (place, row))
                self._check_model(row, task)
                yield task
            place += 1
        self.done.check_end(place)
        if self.retry is not None and place < len(self.retry):
            raise UsageError(
                f"{len(self.retry) - place} rows to retry are not in the input.",
                hint="Give the input that the errors file came from.",
            )

    def _selected(self, source: Iterable[Line]) -> Iterator[Line]:
        for line in source:
            if self.watcher is not None:
                self.watcher.fed(line)
            if self.retry is None or line.index in self.retry:
                yield line

    def _check_model(self, row: Row, task: Task) -> None:
        """Say once what rows ask of a model and this one does not do."""
        engine = self.session.engine
        if row.chat and row.chat.model not in (None, engine.name):
            self._tell(
                "model", f"Rows ask for the model {row.chat.model!r}; {engine.name} answers them."
            )
        for sentence in overlooked(task, engine):
            self._tell(sentence, f"Rows have settings without effect: {sentence}.")

    def _tell(self, about: str, message: str) -> None:
        if about not in self.told:
            self.told.add(about)
            self.output.tell(f"tether: {message}")

    def _check_retry(self, row: Row) -> None:
        if self.retry is not None and not self.retry.names(row.index, row.id):
            raise UsageError(
                f"Row {row.index} has the id {row.id!r}; the errors file says another.",
                hint="Give the input that the errors file came from.",
            )
