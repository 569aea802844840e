"""Pages parsed in a process of its own: one that is made to be slow is refused, not waited for.

The parser's time grows with the square of what a page nests, of the attributes of a tag and of
formatting that is never closed, so that no limit on one of them bounds it: 500 KB can take minutes.
Nothing stops it from within. So large pages are parsed by a worker that the system ends when a page
has had its CPU time, and that the next page starts anew. It lives as long as this process.
"""

from __future__ import annotations

import atexit
import signal
import subprocess
import sys
from threading import Lock
from typing import IO

from tether.errors import EvidenceError
from tether.grounding.formats.markup import page_text, parse

_SECONDS = 1.0
_PER_SECOND = 4 << 20  # bytes; an honest page is parsed eight times as fast
_LENGTH = 8  # bytes of a length before a text, the smallest first


class Worker:
    """The process that parses pages; started by the first one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = Lock()
        atexit.register(self.stop)

    def text(self, page: str, name: str) -> str:
        """The text of a page; see `markup.page_text`.

        Raises:
            EvidenceError: The page takes the parser too long.
        """
        with self._turn:
            process = self._running()
            assert process.stdin is not None, "it is a pipe"
            assert process.stdout is not None, "it is a pipe"
            _send(process.stdin, page)
            text = _receive(process.stdout)
            if text is None:
                self.stop()
                raise EvidenceError(
                    f"{name} is not a readable page: it takes the parser more than "
                    f"{_allowed(page):.0f} s.",
                    hint="Its tags are nested thousands deep, or the like: repair it, for example "
                    "with tidy, or go on without it: --skip-bad.",
                )
            return text

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate()  # closes its input, on which it ends

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        return self._process


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Parse one page after another, until there are no more."""
    while (page := _receive(requests)) is not None:
        _limit(_allowed(page))
        tree = parse(page)
        _limit(0)
        _send(answers, page_text(tree))


def _allowed(page: str) -> float:
    """Seconds of CPU for parsing a page."""
    return _SECONDS + len(page) / _PER_SECOND


def _limit(seconds: float) -> None:
    """Let the system end this process after so much CPU time; 0 takes the limit away."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _send(stream: IO[bytes], text: str) -> None:
    data = text.encode("utf-8")
    stream.write(len(data).to_bytes(_LENGTH, "little") + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> str | None:
    """The next text; None at the end."""
    length = stream.read(_LENGTH)
    return stream.read(int.from_bytes(length, "little")).decode("utf-8") if length else None


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
