"""What a batch has done, on disk: one checksummed line a finished row, appended before it counts.

The journal is the truth; the output and the errors file are made from it and can be made again.
A line is `crc32 of the body, 8 hex digits` + space + body (JSON) + newline, written by one call.
After kill -9 at most the last line is torn: it fails its checksum and is cut off. Data is handed
to the operating system row by row and forced to the disk once a second, so a power cut costs at
most that second's rows, which then run again.

The first body is the header. When the batch is complete the journal shrinks to the header and the
final count, by one atomic rename.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self
from zlib import crc32

from tether.cli.kinds import JsonValue
from tether.cli.streams import guarded
from tether.errors import InternalError, ProfileError, TetherError, UsageError

VERSION = 1
_SYNC_S = 1.0


class Record(NamedTuple):
    """A finished row.

    Attributes:
        place: Its place among the rows that this batch runs, from 0.
        crc: Checksum of its input line.
        ok: Whether `line` belongs to the output; else to the errors file.
        line: The finished line, without newline.
    """

    place: int
    crc: int
    ok: bool
    line: str


class Journal:
    """An open journal. Use as a context manager; one process at a time.

    Attributes:
        identity: What decided the rows' texts when the batch began.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self.identity = dict(identity)
        self._descriptor = -1
        self._size = self._header_end = 0
        self._synced = time.monotonic()

    @classmethod
    def create(cls, path: Path, identity: Mapping[str, Any]) -> Self:
        """A new journal; an old one of this name is emptied.

        Raises:
            UsageError: Another process writes it.
            OutputError: The disk is full, or the like.
        """
        journal = cls(path, identity)
        journal._open()
        with guarded(path):
            os.ftruncate(journal._descriptor, 0)
        journal._write({"tether_journal": VERSION, "identity": journal.identity})
        journal._header_end = journal._size
        return journal

    @classmethod
    def resume(cls, path: Path, identity: Mapping[str, Any]) -> Self:
        """The journal of an interrupted (or complete) batch; a new one where none was begun.

        Raises:
            UsageError: Another process writes it, or it is not a journal.
            ProfileError: `identity` is not what the batch began with.
        """
        if not path.is_file() or b"\n" not in _head(path):
            return cls.create(path, identity)
        journal = cls(path, identity)
        journal._open()
        try:
            check_identity(journal._read_header(), identity)
        except TetherError:
            journal.close()
            raise
        return journal

    def records(self) -> Iterator[tuple[int, Record]]:
        """(offset, record) of every whole line after the header; cuts off what is torn."""
        self._size = self._header_end
        for offset, body in _bodies(self.path, self._header_end):
            self._size = offset + len(_framed(body))
            yield offset, Record(*json.loads(body))
        with guarded(self.path):
            os.ftruncate(self._descriptor, self._size)

    def read_final(self) -> dict[str, int] | None:
        """The counts of a batch that is complete; None where rows may be missing."""
        return final_counts(self.path)

    def append(self, record: Record) -> int:
        """Put a finished row on disk; returns its offset.

        Raises:
            OutputError: The disk is full, or the like.
        """
        offset = self._write(record)
        if time.monotonic() - self._synced > _SYNC_S:
            self.sync()
        return offset

    def read(self, offset: int) -> Record:
        """The record at an offset that `append` or `records` gave."""
        with self.path.open("rb") as stream:
            stream.seek(offset)
            body = _checked(stream.readline())
        if body is None:
            raise InternalError(f"{self.path} changed while it was in use (offset {offset}).")
        return Record(*json.loads(body))

    def sync(self) -> None:
        """Force what was appended to the disk."""
        with guarded(self.path):
            os.fsync(self._descriptor)
        self._synced = time.monotonic()

    def finish(self, counts: Mapping[str, int]) -> None:
        """Shrink to header and counts. The output must be on disk by now."""
        shrunk = self.path.with_name(self.path.name + ".new")
        header = {"tether_journal": VERSION, "identity": self.identity}
        with guarded(shrunk), shrunk.open("wb") as stream:
            for value in (header, {"final": dict(counts)}):
                stream.write(_framed(_body(value)))
            stream.flush()
            os.fsync(stream.fileno())
        with guarded(self.path):
            shrunk.replace(self.path)

    def close(self) -> None:
        """Close the file; also releases the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        """The journal itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _open(self) -> None:
        with guarded(self.path):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _lock(self._descriptor)
        except OSError:
            self.close()
            raise UsageError(
                f"{self.path} is in use: another tether batch writes the same output."
            ) from None

    def _read_header(self) -> dict[str, Any]:
        body = next((body for _, body in _bodies(self.path, 0)), b"{}")
        header = json.loads(body)
        if not isinstance(header, dict) or header.get("tether_journal") != VERSION:
            raise UsageError(
                f"{self.path} is not a journal of this version of tether.",
                hint="Run the batch again with --overwrite.",
            )
        self._header_end = len(_framed(body))
        identity: dict[str, Any] = header["identity"]
        return identity

    def _write(self, value: JsonValue) -> int:
        data = _framed(_body(value))
        offset = self._size
        with guarded(self.path):
            written = os.write(self._descriptor, data)
            while written < len(data):  # a nearly full disk takes a part first, then says so
                written += os.write(self._descriptor, data[written:])
        self._size += len(data)
        return offset


def final_counts(path: Path) -> dict[str, int] | None:
    """The counts of a complete batch's journal; None where rows may be missing."""
    second = next(itertools.islice(_bodies(path, 0), 1, None), None)
    value = json.loads(second[1]) if second else None
    return value["final"] if isinstance(value, dict) else None


def check_identity(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with a batch whose texts would now come out differently.

    Raises:
        ProfileError: Something changed; the message says what, the excerpt from what to what.
    """
    changed = [key for key in {**then, **now} if then.get(key) != now.get(key)]
    if changed:
        lines = [
            f"  {key}: was {_short(then.get(key))}, now {_short(now.get(key))}" for key in changed
        ]
        raise ProfileError(
            f"The batch cannot be resumed: {', '.join(changed)} changed since it began.",
            excerpt="\n".join(lines),
            hint="Set it back, or start again with --overwrite.",
            pointer=changed[0],
        )


def _short(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _body(value: JsonValue) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _framed(body: bytes) -> bytes:
    return b"%08x %s\n" % (crc32(body), body)


def _checked(line: bytes) -> bytes | None:
    """The body of a framed line, or None where it is torn."""
    body = line[9:-1]
    return body if line == _framed(body) else None


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.readline()


def _bodies(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """(offset, body) of the whole lines from `start` to the first torn one."""
    with path.open("rb") as stream:
        stream.seek(start)
        offset = start
        for line in stream:
            body = _checked(line)
            if body is None:
                return
            yield offset, body
            offset += len(line)


def _lock(descriptor: int) -> None:
    """Take the file for this process; systems without flock go without."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
