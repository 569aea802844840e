"""One worker process as its batch sees it: what it was dealt, what it says, whether it lives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

from tether.cli.batches.work import Pending

COMMAND: tuple[str, ...] = (sys.executable, "-m", "tether.cli.batches.child")
_PATIENCE_S = 10.0  # Ray takes its time


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
        told: What it is told first.
        number: Which of the workers it is, from 0; says which device is its own.
        events: Where (this process, what it said) goes; None once it has ended.
        command: What runs; it listens to its stdin to the end, see `child.py`.
        quiet: Whether what it writes to stderr is nobody's business.

    Attributes:
        ready: Whether it has loaded its model.
        dealt: Its rows that did not end yet, by place.
    """

    def __init__(
        self,
        told: dict[str, Any],
        number: int,
        events: SimpleQueue[Event],
        command: Sequence[str],
        *,
        quiet: bool = False,
    ) -> None:
        # A session of its own: Ctrl-C is for the batch, which then lets its workers go.
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            start_new_session=True,
        )
        self.number = number
        self.ready = False
        self.dealt: dict[int, Dealt] = {}
        self._told_to_drain = True
        self._events = events
        self._ear = Thread(target=self._listen, daemon=True)
        self._ear.start()
        self.tell(told)

    @property
    def id(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def alone(self) -> bool:
        """Whether it runs a row under suspicion, which is to have no company."""
        return any(dealt.num_lost > 1 for dealt in self.dealt.values())

    def tell(self, value: object) -> None:
        """Write it a line; that the process is gone is heard by its ear."""
        assert self._child.stdin is not None
        with suppress(OSError):
            self._child.stdin.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
            self._child.stdin.flush()

    def deal(self, dealt: Dealt) -> None:
        """Give it a row."""
        self.dealt[dealt.pending.place] = dealt
        self._told_to_drain = False
        self.tell(dealt.pending.packed())

    def drain(self) -> None:
        """Say that no row follows for now, so that it does not wait for one."""
        if not self._told_to_drain:
            self._told_to_drain = True
            self.tell(None)

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

    def _listen(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.endswith(b"\n"):  # a killed process may have said half a line
                self._events.put((self, json.loads(line)))
        self._events.put((self, None))
