"""What a drafted token costs beside a turn of the loop, as timed while both run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

_TIMINGS = 15


class Clock:
    """Times own forwards, and turns: from the last draft handed over to the first verdict."""

    def __init__(self) -> None:
        self._own: deque[float] = deque(maxlen=_TIMINGS)
        self._turns: deque[float] = deque(maxlen=_TIMINGS)
        self._handed = 0.0

    @contextmanager
    def own(self) -> Iterator[None]:
        """Time one forward of the drafter."""
        began = time.perf_counter()
        yield
        self._own.append(time.perf_counter() - began)

    def handed(self) -> None:
        """A draft has been given to the loop."""
        self._handed = time.perf_counter()

    def turned(self) -> None:
        """A turn is over; called for each of its rows."""
        if self._handed:
            self._turns.append(time.perf_counter() - self._handed)
            self._handed = 0.0

    def pays(self, value: float, said: float, drafted: int, rows: int) -> bool:
        """Whether one more token of a chain says more a second than the turn does without it.

        Args:
            value: The chance that the token will be asked for.
            said: Tokens that the row is expected to say in this turn as it is.
            drafted: Own forwards for the row so far.
            rows: Rows of the turn, each with a chain as long.
        """
        if not self._own or not self._turns:
            return True
        own = median(self._own)
        return value * (median(self._turns) + rows * drafted * own) > rows * said * own
