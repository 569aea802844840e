"""One batch from input lines to output lines: skip what is done, run the rest, write each row.

Knows lines and outputs; not flags, and not where the rows run. Memory does not grow with the batch,
but for eight bytes a row that a resumed journal already holds, and forty a row that failed ahead of
its turn.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Protocol

from tether.cli.batches import rows
from tether.cli.batches.journal import Record
from tether.cli.batches.output import BatchOutput
from tether.cli.batches.retry import Retry
from tether.cli.batches.rows import Line
from tether.cli.batches.work import Ended, Pending, Runner
from tether.errors import ProfileError, UsageError


class Watcher(Protocol):
    """Is told how a batch goes on; see `progress.py`."""

    def fed(self, line: Line) -> None:
        """A line was read."""

    def ended(self, ended: Ended) -> None:
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
        runner: Runs the rows.
        retry: The rows to run; None runs all.
        watcher: Is told of every row.
        told: What was said once about rows that ask for what the model has not.
    """

    runner: Runner
    output: BatchOutput
    retry: Retry | None = None
    watcher: Watcher | None = None
    done: Done = field(default_factory=Done)
    told: set[str] = field(default_factory=set)

    def run(self, stream: IO[bytes]) -> None:
        """Run every row that is not done yet and write it.

        Raises:
            ProfileError: The input is not the one that the journal knows.
            UsageError: The rows to run again are not those of this input.
            OutputError: The disk is full, or the like.
        """
        for replayed in self.output.replay():
            self.done.add(replayed)
        for ended in self.runner.run(self._pending(rows.lines(stream))):
            self.output.add(ended.record)
            for about, note in ended.notes:
                self._tell(about, note)
            if self.watcher is not None:
                self.watcher.ended(ended)

    def _pending(self, source: Iterable[Line]) -> Iterator[Pending]:
        place = 0
        for line in self._selected(source):
            if not self.done.holds(place, line):
                self._check_retry(line)
                yield Pending(place, line)
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

    def _tell(self, about: str, message: str) -> None:
        if about not in self.told:
            self.told.add(about)
            self.output.tell(f"tether: {message}")

    def _check_retry(self, line: Line) -> None:
        if self.retry is None:
            return
        row = rows.read(line)  # its id can be told, whatever the template makes of it
        if not self.retry.names(row.index, row.id):
            raise UsageError(
                f"Row {row.index} has the id {row.id!r}; the errors file says another.",
                hint="Give the input that the errors file came from.",
            )
