"""Requests that are read ahead of their turn, so that rows of like length run side by side.

A forward reads as many columns of the cache as its longest row has, and prompts that begin together
are padded to the longest. So requests are taken from their source in windows, each sorted by the
length of its prompts and given out from one end to the other; the next window begins at the end
where the last one stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from tether.decoding.request import Request


class Waiting:
    """Requests on their way into slots.

    No request waits for more than the rest of its window, whatever its length.

    Args:
        source: Requests; where it ends for now and goes on later, it is asked again.
        ahead: The size of a window; 1 keeps the order of the source and reads nothing ahead.
    """

    def __init__(self, source: Iterator[Request], ahead: int) -> None:
        self._source, self._ahead = source, ahead
        self._window: deque[Request] = deque()
        self._longest_first = False

    def take(self) -> Request | None:
        """The next request; None where there is none for now."""
        if not self._window:
            found = islice(self._source, self._ahead)
            self._window.extend(
                sorted(found, key=lambda request: len(request.prompt), reverse=self._longest_first)
            )
            self._longest_first = not self._longest_first
        return self._window.popleft() if self._window else None
