"""What clients have the server do, as things that can be given up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Call:
    """What one client asked for, whatever rows it takes.

    Attributes:
        cancel: Set once nobody wants the answer any more; its rows end by it.
    """

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self._lock = threading.Lock()
        self._wake: list[Callable[[], None]] = []

    def give_up(self) -> None:
        """End it, whatever it waits for."""
        self.cancel.set()
        with self._lock:
            waiting = list(self._wake)
        for wake in waiting:
            wake()

    def check(self) -> None:
        """Go on only where somebody wants that.

        Raises:
            KeyboardInterrupt: Nobody does.
        """
        if self.cancel.is_set():
            raise KeyboardInterrupt

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have `wake` called, by another thread, when the call is given up."""
        with self._lock:
            self._wake.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wake.remove(wake)


class Calls:
    """The calls that run; shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Call] = set()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._running)

    @contextmanager
    def running(self, call: Call) -> Iterator[Call]:
        """Count it for as long as it runs."""
        with self._lock:
            self._running.add(call)
        try:
            yield call
        finally:
            with self._lock:
                self._running.discard(call)

    def give_up(self) -> None:
        """End them all."""
        with self._lock:
            running = list(self._running)
        for call in running:
            call.give_up()


CALL: ContextVar[Call | None] = ContextVar("call", default=None)
"""Whom the running thread works for."""


def current() -> Call:
    """The call of the running thread; one that nobody gives up where it has none."""
    return CALL.get() or Call()
