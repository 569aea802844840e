"""Puts finished rows back in input order, holding only those that are early."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import Generic, TypeVar

from tether.cli.batches.journal import Record
from tether.cli.streams import guarded

T = TypeVar("T")
_ABSENT = object()


class Reorder(Generic[T]):
    """A buffer between rows as they end and rows as they are written.

    Early items wait until every place before theirs is there. Of rows that run at most about
    slots x max_tokens can wait, and those that are looked at ahead, however long the batch is; rows
    that fail before they run are as many as they are, so an item should be small.
    """

    def __init__(self) -> None:
        self._next = 0
        self._early: deque[T | object] = deque()
        """What waits at the places from `_next` on."""

    def is_due(self, place: int) -> bool:
        """Whether nothing before this place is missing."""
        return place == self._next

    def put(self, place: int, item: T) -> Iterator[T]:
        """Take one item; yield all that are now due, in order."""
        missing = place - self._next + 1 - len(self._early)
        self._early.extend([_ABSENT] * missing)
        self._early[place - self._next] = item
        while self._early and self._early[0] is not _ABSENT:
            self._next += 1
            yield self._early.popleft()  # type: ignore[misc]


class Spool:
    """Records that wait for their turn where no journal holds them, in a file without a name."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 (the owner closes it)
        self.close = self._file.close

    def append(self, record: Record) -> int:
        """Put a record aside; returns its offset.

        Raises:
            OutputError: The disk is full, or the like.
        """
        offset = self._file.seek(0, os.SEEK_END)
        with guarded(Path(gettempdir())):
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
        return offset

    def read(self, offset: int) -> Record:
        """The record at an offset that `append` gave."""
        self._file.seek(offset)
        return Record(*json.loads(self._file.readline()))
