"""One worker process as its batch sees it: what it was dealt, what it says, whether it lives."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

from tether.cli.batches.work import Pending

COMMAND: tuple[str, ...] = (sys.executable, "-m", "tether.cli.batches.child")
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Dealt:
    """A row with a worker, or on its way to one.

    Attributes:
        num_lost: How many workers were lost while they had it.
    """

    pending: Pending
    num_lost: int = 0


Event = tuple["Process", dict[str, Any] | None]


class Process:
    """A running worker.

    Args:
        job: What it is told first.
        number: Which of the workers it is, from 0; says which device is its own.
        events: Where (this process, what it said) goes; None once it has ended.

    Attributes:
        ready: Whether it has loaded its model.
        dealt: Its rows that did not end yet, by place.
    """

    def __init__(self, job: dict[str, Any], number: int, events: SimpleQueue[Event]) -> None:
        # A session of its own: Ctrl-C is for the batch, which then lets its workers go.
        self._child = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.number = number
        self.ready = False
        self.dealt: dict[int, Dealt] = {}
        self._told_to_drain = True
        self._events = events
        self._ear = Thread(target=self._listen, daemon=True)
        self._ear.start()
        self._send(job)

    @property
    def id(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def alone(self) -> bool:
        """Whether it runs a row under suspicion, which is to have no company."""
        return any(dealt.num_lost > 1 for dealt in self.dealt.values())

    def deal(self, dealt: Dealt) -> None:
        """Give it a row."""
        self.dealt[dealt.pending.place] = dealt
        self._told_to_drain = False
        self._send(dealt.pending.packed())

    def drain(self) -> None:
        """Say that no row follows for now, so that it does not wait for one."""
        if not self._told_to_drain:
            self._told_to_drain = True
            self._send(None)

    def fate(self) -> str:
        """How it ended, for people."""
        code = self._child.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def dismiss(self) -> None:
        """Let it go; it ends by itself, whatever it does."""
        assert self._child.stdin is not None
        with suppress(OSError):
            self._child.stdin.close()

    def end(self) -> None:
        """Wait until a dismissed process is gone."""
        try:
            self._child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._ear.join()
        assert self._child.stdout is not None
        self._child.stdout.close()

    def _send(self, value: object) -> None:
        """Write a line; that the process is gone is heard by its ear."""
        assert self._child.stdin is not None
        with suppress(OSError):
            self._child.stdin.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
            self._child.stdin.flush()

    def _listen(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.endswith(b"\n"):  # a killed process may have said half a line
                self._events.put((self, json.loads(line)))
        self._events.put((self, None))
