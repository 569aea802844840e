"""Where the lines of a batch go: the output and the errors file, in order or as they come."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tether.cli import streams
from tether.cli.batches.journal import Journal, Record
from tether.cli.batches.ordering import Reorder, Spool
from tether.cli.batches.records import abstained, failure_message


class BatchOutput:
    """The open output of a batch. Use as a context manager.

    Args:
        out: A file, or None for stdout.
        errors: A file for the failures, or None for messages on stderr.
        ordered: Write in input order.
        journal: Rows that wait for their turn are kept there; else in a file without a name.
    """

    def __init__(
        self,
        out: Path | None,
        errors: Path | None,
        *,
        ordered: bool,
        journal: Journal | None,
    ) -> None:
        self._out, self._errors = out, errors
        self._journal = journal
        self._ordered = ordered
        self._waiting: Reorder[int | None] = Reorder()
        self._spool: Spool | None = None
        self._stack = ExitStack()
        self._descriptors: dict[Path, int] = {}
        self.num_failed = self.num_abstained = self.num_rows = 0
        self.tell: Callable[[str], None] = streams.say

    def __enter__(self) -> Self:
        """Open the files, empty."""
        for path in filter(None, (self._out, self._errors)):
            with streams.guarded(path):
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                self._descriptors[path] = os.open(path, flags, 0o644)
            self._stack.callback(os.close, self._descriptors[path])
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self._stack.close()

    def replay(self) -> Iterable[Record]:
        """Write what the journal holds; yields its records."""
        if self._journal is None:
            return
        for offset, record in self._journal.records():
            yield record
            self._take(offset, record, quiet=True)

    def add(self, record: Record) -> None:
        """A finished row: into the journal first, then, when it is due, to its file.

        Raises:
            OutputError: The disk is full, or the like.
            ClosedPipe: Nobody reads stdout any more.
        """
        offset = None if self._journal is None else self._journal.append(record)
        self._take(offset, record, quiet=False)

    def sync(self) -> None:
        """Force the files to the disk, where they are on one."""
        for path, descriptor in self._descriptors.items():
            if path.is_file():
                with streams.guarded(path):
                    os.fsync(descriptor)

    def _take(self, offset: int | None, record: Record, *, quiet: bool) -> None:
        self.num_rows += 1
        silent = abstained(record)
        self.num_abstained += silent
        self.num_failed += not (record.ok or silent)
        if not record.ok and self._errors is None and not quiet:
            self.tell(f"tether: {failure_message(record.line)}")
        if not self._ordered:
            self._write(record)
            return
        if offset is None and not self._waiting.is_due(record.place):
            offset = self._spooled().append(record)
        for due in self._waiting.put(record.place, offset):
            self._write(record if due is None or due == offset else self._fetch(due))

    def _spooled(self) -> Spool:
        if self._spool is None:
            self._spool = Spool()
            self._stack.callback(self._spool.close)
        return self._spool

    def _fetch(self, offset: int) -> Record:
        keeper = self._journal or self._spool
        assert keeper is not None, "offsets come from a journal or the spool"
        return keeper.read(offset)

    def _write(self, record: Record) -> None:
        path = self._out if record.ok else self._errors
        if path is not None:
            with streams.guarded(path):
                data = record.line.encode("utf-8") + b"\n"
                while data:
                    data = data[os.write(self._descriptors[path], data) :]
        elif record.ok:
            streams.write_line(record.line)
