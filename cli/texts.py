"""Texts that a user gives: as they stand, `@file`, or standard input. Always UTF-8."""

from __future__ import annotations

import sys
from pathlib import Path

from tether.errors import UsageError
from tether.grounding.formats import lines


def read(value: str, base: Path | None = None) -> str:
    """The text of `value`: `@file` is read, `@@x` is the text `@x`.

    Raises:
        UsageError: The file cannot be read or is not UTF-8.
    """
    if value.startswith("@@"):
        return value[1:]
    if value.startswith("@"):
        return read_file((base or Path()) / Path(value[1:]).expanduser())
    return value


def read_file(path: Path) -> str:
    """A whole text file, without a byte order mark.

    Raises:
        UsageError: It cannot be read or is not UTF-8.
    """
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError.from_os(f"{path} cannot be read", error) from error


def read_stdin() -> str:
    """All of standard input.

    Raises:
        UsageError: It is not UTF-8.
    """
    return decode(sys.stdin.buffer.read(), "Standard input")


def piped_stdin() -> str:
    """Standard input where something is piped in; empty on a terminal or without a stdin."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return ""
    return read_stdin()


def decode(data: bytes, name: str) -> str:
    """UTF-8 bytes as text.

    Raises:
        UsageError: They are not UTF-8; the message has the offset.
    """
    return lines.decode(data, name, UsageError)
