"""What a drafted token costs beside a turn of the loop, as timed while both run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

_TIMINGS = 15


class Clock:
    """Times own forwards, and turns: from the last draft handed over to the first verdict.

    Args:
        now: Seconds; on a CPU those of the thread, since other work is nothing that drafts help.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._own: deque[float] = deque(maxlen=_TIMINGS)
        self._turns: deque[float] = deque(maxlen=_TIMINGS)
        self._handed = 0.0

    @contextmanager
    def own(self) -> Iterator[None]:
        """Time one forward of the drafter."""
        began = self._now()
        yield
        self._own.append(self._now() - began)

    def handed(self) -> None:
        """A draft has been given to the loop."""
        self._handed = self._now()

    def turned(self) -> None:
        """A turn is over; called for each of its rows."""
        if self._handed:
            self._turns.append(self._now() - self._handed)
            self._handed = 0.0

    def pays(self, value: float, said: float, drafted: int, share: float = 1.0) -> bool:
        """Whether one more token of a chain says more a second than the turn does without it.

        Args:
            value: The chance that the token will be asked for.
            said: Tokens that the row is expected to say in this turn as it is.
            drafted: Own forwards in this turn so far, each for all rows whose chains went on.
            share: Of the rows, those that would go on: they pay for the next forward together.
        """
        if not self._own or not self._turns:
            return True
        own = median(self._own)
        return share * value * (median(self._turns) + drafted * own) > said * own
