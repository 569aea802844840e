"""The exact judge of a graph: its store, in a process of its own that can be killed.

A query cannot be stopped in an engine without time limits, and a bad one may crash it. So it runs
in a child, started anew when it is next needed; nothing of this process is copied into it.
"""

from __future__ import annotations

import json
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tether.errors import GrammarError, UnavailableError
from tether.grounding.graph import guard
from tether.grounding.graph.answer import Answer, Limits, over

_START_S = 20.0
_PARSE_S = 5.0
_PLACE = re.compile(r"error at (\d+):(\d+): ")
_PREFIX = "Prefix not found"
_MODULE = "tether.grounding.graph.oracle_child"


class Died(Exception):
    """The child ended while a query ran."""


class Oracle:
    """Runs reading queries over a store; a context manager. Shared between threads.

    Args:
        store: The folder of the store.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self, query: str, seconds: float) -> bool | None:
        """Whether a query has a row or says yes; None where that is not known in time.

        Raises:
            GrammarError: The query is refused.
        """
        try:
            return bool(self._request("ask", query, seconds)["yes"])
        except (TimeoutError, Died):
            return None

    def refusal(self, query: str) -> str | None:
        """Why the engine's parser refuses a query; None where it does not."""
        try:
            guard.check(query)
            reason = self._request("parse", query, _PARSE_S)["refusal"]
        except GrammarError as error:
            return error.message
        except (TimeoutError, Died):
            return "The engine does not survive this query."
        return None if reason is None else str(reason)

    def rows(self, query: str, limits: Limits, prefixes: Mapping[str, str] | None = None) -> Answer:
        """All rows of a query; `prefixes` are those that it need not declare.

        Raises:
            GrammarError: The query is refused.
            LimitReached: It costs more than `limits`.
        """
        asked = {"rows": limits.rows, "cells": limits.cells, "bytes": limits.bytes}
        try:
            found = self._request("rows", query, limits.seconds, prefixes=prefixes, **asked)
        except TimeoutError:
            raise over(f"{limits.seconds:g} s") from None
        except Died:
            raise over("the memory of a query, or the engine cannot bear it") from None
        if "over" in found:
            raise over(f"{asked[found['over']]} {found['over']}")
        rows = tuple(tuple(row) for row in found["rows"])
        return Answer(tuple(found["variables"]), rows, found["yes"])

    def close(self) -> None:
        """End the child; the next query starts another."""
        with self._lock:
            self._kill()

    def __enter__(self) -> Self:
        """The oracle itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child."""
        self.close()

    def __del__(self) -> None:
        """End the child, whoever forgot to."""
        with suppress(Exception):
            self._kill()

    def _request(self, do: str, query: str, seconds: float, **more: object) -> dict[str, Any]:
        """The child's answer; kills it where it takes too long or ends."""
        guard.check(query)
        line = json.dumps({"do": do, "query": query, **more}).encode() + b"\n"
        with self._lock:
            child = self._running()
            deadline = time.monotonic() + seconds
            try:
                assert child.stdin is not None
                child.stdin.write(line)
                child.stdin.flush()
                answer: dict[str, Any] = json.loads(_read_line(child, deadline))
            except BaseException as error:
                self._kill()  # also where the user interrupts: what it would write is nobody's
                if isinstance(error, BrokenPipeError | ValueError):
                    raise Died from None
                raise
        if "error" in answer:
            raise _refused(str(answer["message"]))
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        """The child, started if there is none; the first answer shows that the store is open."""
        if self._child is None or self._child.poll() is not None:
            self._kill()
            self._child = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(self._store)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                _read_line(self._child, time.monotonic() + _START_S)
            except (Died, TimeoutError):
                self._kill()
                raise UnavailableError(
                    f"The store {self._store} cannot be opened.",
                    hint="`tether graph verify` says whether it is damaged.",
                ) from None
        return self._child

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with suppress(ProcessLookupError):
            child.kill()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        child.wait()


def _read_line(child: subprocess.Popen[bytes], deadline: float) -> bytes:
    """A line from the child.

    Raises:
        TimeoutError: It does not come in time.
        Died: The child ended.
    """
    assert child.stdout is not None
    line = bytearray()
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([child.stdout], [], [], left)[0]:
            raise TimeoutError
        piece = child.stdout.read1(1 << 16)  # type: ignore[attr-defined]
        if not piece:
            raise Died
        line += piece
    return bytes(line)


def _refused(message: str) -> GrammarError:
    """The engine's refusal, without its list of all characters that it would have taken."""
    found = _PLACE.match(message)
    if found is None:
        return GrammarError(f"The query is refused: {message.rstrip('.')}.")
    reason = "a prefix is not declared" if _PREFIX in message else "something else must stand there"
    return GrammarError(
        f"The query is refused at line {found[1]}, column {found[2]}: {reason}.",
        pointer=f"{found[1]}:{found[2]}",
    )
