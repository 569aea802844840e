"""One thread that decodes everything a server is asked for, in one loop while there is any.

Requests share the loop's slots, whoever sent them, and join it while it runs. Other work with the
model waits until the loop is empty; it takes no more requests then, so the oldest waits only for
rows that run. Text does not depend on any of this.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tether.decoding.request import Delta, Request, Result

    Run: TypeAlias = Callable[[Iterable[Request], Callable[[Delta], None]], Iterator[Result]]

Inbox: TypeAlias = "SimpleQueue[Any]"
"""Where whoever waits finds deltas, results, answers and errors."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Something to do with the model that is no request."""

    function: Callable[[], object]
    inbox: Inbox


class Ticket(str):
    """A request's key that knows who waits for the row."""

    __slots__ = ("inbox", "key", "listens")
    key: str
    inbox: Inbox
    listens: bool

    @classmethod
    def of(cls, key: str, inbox: Inbox, *, listens: bool) -> Ticket:
        """A ticket for the key of a request."""
        ticket = cls(key)
        ticket.key, ticket.inbox, ticket.listens = key, inbox, listens
        return ticket


class Scheduler:
    """The queue and its thread.

    Args:
        run: The loop; its requests may end and go on.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._work: deque[Request | Errand] = deque()
        self._changed = threading.Condition()
        self._ends = False
        self._thread = threading.Thread(target=self._go, name="decoding", daemon=True)
        self._thread.start()

    def decode(self, request: Request, inbox: Inbox, *, listens: bool) -> None:
        """Have a request decoded; its deltas and its result, or an error, come into the inbox."""
        self._add(replace(request, key=Ticket.of(request.key, inbox, listens=listens)))

    def call(self, function: Callable[[], object], inbox: Inbox) -> None:
        """Have something done; what it returns comes into the inbox in a tuple, or an error."""
        self._add(Errand(function, inbox))

    def close(self, seconds: float) -> bool:
        """End the thread once nothing is left to do; whether it ended in that time.

        A thread that is in the model's own code when Python ends takes the process down with it.
        """
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _add(self, work: Request | Errand) -> None:
        with self._changed:
            self._work.append(work)
            self._changed.notify()

    def _go(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work or self._ends)
            if not self._work:
                return
            if isinstance(self._work[0], Errand):
                _do(self._work.popleft())
            else:
                self._decode(_Feed(self._work))

    def _decode(self, feed: _Feed) -> None:
        """Run the loop until it is empty; an error of it is that of all its rows."""
        try:
            for result in self._run(feed, _tell):
                ticket = _ticket(result.key)
                del feed.running[id(ticket)]
                ticket.inbox.put(replace(result, key=ticket.key))
        except BaseException as error:
            for ticket in feed.running.values():
                ticket.inbox.put(error)


class _Feed:
    """The requests at the head of the queue: ends where there are none, and goes on with them."""

    def __init__(self, work: deque[Request | Errand]) -> None:
        self._work = work
        self.running: dict[int, Ticket] = {}

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        while self._work and not isinstance(self._work[0], Errand):
            request = self._work.popleft()
            assert not isinstance(request, Errand), "only this thread takes work"
            if request.cancel is None or not request.cancel.is_set():
                ticket = _ticket(request.key)
                self.running[id(ticket)] = ticket
                return request
        raise StopIteration


def _do(errand: Request | Errand) -> None:
    assert isinstance(errand, Errand), "requests go into the loop"
    try:
        errand.inbox.put((errand.function(),))
    except BaseException as error:
        errand.inbox.put(error)


def _tell(delta: Delta) -> None:
    ticket = _ticket(delta.key)
    if ticket.listens:
        ticket.inbox.put(replace(delta, key=ticket.key))


def _ticket(key: str) -> Ticket:
    assert isinstance(key, Ticket), "the loop hands back the keys it was given"
    return key
