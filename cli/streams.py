"""stdout is data, stderr is for people. A closed pipe is a success; a full disk is not.

stdout: UTF-8 bytes, whatever the locale. stderr: plain lines, coloured only where that is wanted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tether.errors import OutputError, UsageError


class ClosedPipe(Exception):
    """The reader of stdout went away."""


def write(text: str) -> None:
    """Write text to stdout at once.

    Raises:
        ClosedPipe: Nobody reads any more.
        OutputError: The disk is full, or the like.
        UsageError: The text holds half a character.
    """
    if sys.stdout is None:
        return
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"The text holds half a character (U+{ord(text[error.start]):04X}); UTF-8 has none.",
            hint="Leave out --raw: JSON can write it as an escape.",
        ) from error
    with to_stdout():
        sys.stdout.flush()
        binary = getattr(sys.stdout, "buffer", None)
        if binary is None:  # a StringIO that somebody put there
            sys.stdout.write(text)
        else:
            binary.write(data)
            binary.flush()


def write_line(text: str) -> None:
    """Write text to stdout with exactly one newline at its end."""
    write(text if text.endswith("\n") else f"{text}\n")


@contextmanager
def to_stdout() -> Iterator[None]:
    """Like `guarded`, for stdout: what it still holds must not fail again at exit."""
    try:
        with guarded("Standard output"):
            yield
    except (ClosedPipe, OutputError):
        silence_stdout()
        raise


@contextmanager
def guarded(name: str | Path) -> Iterator[None]:
    """Turn the operating system's complaints about `name` into ours.

    Raises:
        ClosedPipe: The reader went away.
        OutputError: Anything else; the message says what.
    """
    try:
        yield
    except BrokenPipeError as error:
        raise ClosedPipe from error
    except OSError as error:
        raise OutputError.from_os(f"{name} cannot be written", error) from error


def silence_stdout() -> None:
    """Point stdout's descriptor at nothing, so that the flush at exit cannot fail again."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), descriptor)


def say(text: str, *, style: str = "", end: str = "\n") -> None:
    """A message for people, on stderr; nothing happens when stderr is closed."""
    if sys.stderr is None:
        return
    shown = f"\x1b[{style}m{text}\x1b[0m" if style and coloured(sys.stderr) else text
    try:
        sys.stderr.write(f"{shown}{end}")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def complain(message: str, detail: str = "") -> None:
    """An error: `tether: message` in red, then the excerpt and the hint."""
    say(f"tether: {message}", style="31")
    if detail:
        say(detail)


def coloured(stream: IO[str]) -> bool:
    """Whether to colour: NO_COLOR says no, FORCE_COLOR yes, else a terminal that is not dumb."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a person looks at this stream through a terminal that can redraw."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
