"""Rows between their request and their first token: slots are filled, prompts are read.

While rows run, only so many prompt tokens are read between two of their turns, so that a long
prompt holds nobody up. Short prompts, or what is left of them where their beginning is known, are
read side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from tether.decoding.request import Request
from tether.decoding.row import Row
from tether.decoding.views import Views
from tether.decoding.waiting import Waiting

# Prompt tokens between two turns, and in one forward: with more, a CPU is little faster a token.
_MOST = {"cpu": 256}
_MOST_ELSEWHERE = 2048
_ALONE = 2  # times as many where no row waits for its turn
_PADDING = 1.25  # a forward of several prompts may be this much wider than they are


class Admission:
    """Brings rows to their first token.

    Args:
        waiting: Where requests come from.
        views: Hold the rows.
        slots: Rows at once.
        make: The row of a request; it has ended where it cannot be run.
        begin: Reads the rest of some rows' prompts and chooses their first tokens.
    """

    def __init__(
        self,
        waiting: Waiting,
        views: Views,
        slots: int,
        make: Callable[[Request], Row],
        begin: Callable[[Sequence[Row]], None],
    ) -> None:
        self._waiting, self._views, self._slots = waiting, views, slots
        self._make, self._begin = make, begin
        network = views.networks["model"]
        self._most = _MOST.get(network.device.type, _MOST_ELSEWHERE)
        self._padding = math.inf if network.packs else _PADDING
        self._reading: list[Row] = []

    def admit(self, running: list[Row]) -> Iterator[Row]:
        """Add rows that have come to their first token to `running`; yield those that ended.

        Where no row runs, this goes on until one does or there are no requests.
        """
        left = self._most if running else math.inf
        most = self._most if running else _ALONE * self._most
        while left > 0:
            yield from self._open(len(running))
            if not self._reading:
                return
            left -= self._views.read_on(self._reading[0], most) or self._start(running, most)
            yield from self._ended()

    def _open(self, num_running: int) -> Iterator[Row]:
        """Give rows their slots, while there are any; yield those that end at once."""
        while num_running + len(self._reading) < self._slots:
            request = self._waiting.take()
            if request is None:
                return
            row = self._make(request)
            if row.finish is not None:
                yield row
                continue
            self._views.open(row, waits=True)
            self._views.check_room(row)
            self._reading.append(row)
        yield from self._ended()

    def _start(self, running: list[Row], most: int) -> int:
        """Read the first rows' prompts to their ends, so many tokens at once; how many it were."""
        group = [self._reading[0]]
        longest = num_tokens = self._views.unread(group[0])
        for row in self._reading[1:]:
            unread = self._views.unread(row)
            together = num_tokens + unread
            is_wide = max(longest, unread) * (len(group) + 1) > together * self._padding
            if is_wide or together > most or not self._views.beside(group[-1], row):
                break
            group.append(row)
            longest, num_tokens = max(longest, unread), together
        self._begin(group)
        started = [row for row in group if row.finish is None]
        self._reading = [row for row in self._reading if row not in started]
        running += started
        return num_tokens

    def _ended(self) -> Iterator[Row]:
        """Rows that ended before their prompt was read."""
        for row in self._reading:
            row.check_cancelled()
        ended = [row for row in self._reading if row.finish is not None]
        for row in ended:
            self._views.close(row)
            self._reading.remove(row)
            yield row
