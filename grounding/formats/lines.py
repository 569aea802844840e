"""Bytes read with a limit: a line or a file of a gigabyte is refused, never held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from tether.errors import EvidenceError, TetherError

_STEP = 1 << 20


def too_large(place: str, limit: int) -> EvidenceError:
    """The error for a document of more than `limit` bytes."""
    return EvidenceError(
        f"{place} has more than {limit >> 20} MiB.",
        hint="Split it, allow more with --max-document, or go on without it: --skip-bad.",
    )


def whole(stream: IO[bytes], place: str, limit: int) -> bytes:
    """All bytes of a file.

    Raises:
        EvidenceError: There are more than `limit`.
    """
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise too_large(place, limit)
    return data


def limited(stream: IO[bytes], limit: int) -> Iterator[tuple[int, bytes | None]]:
    """(number from 1, bytes with the line end) of each line; None for one that is too long."""
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) <= limit:
            yield number, line
            continue
        yield number, None
        while line and not line.endswith(b"\n"):
            line = stream.readline(_STEP)


def decode(data: bytes, place: str, kind: type[TetherError] = EvidenceError) -> str:
    """UTF-8 bytes as text, without a byte order mark.

    Raises:
        TetherError: They are not UTF-8; of this kind, the message has the offset.
    """
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise kind(
            f"{place} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}.",
            hint="Convert it first, for example: iconv -f latin1 -t utf-8.",
        ) from error
