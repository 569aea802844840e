"""What forwards and drafts cost on this machine, how often drafts come true, and so what pays.

Kept for as long as the network is: what one run has found out, the next one knows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from statistics import median
from threading import Lock
from weakref import WeakKeyDictionary

from tether.decoding.drafts.length import CostCurve, most_worth
from tether.decoding.models.base import Network

_LEAST = 0.02  # chances below this are not even looked at by the grammar
_CLEAR = 1.1  # drafts have to promise so many times the speed without them
_LIKELY = 0.5  # chances above it are looked at whatever it costs: costs change, and are tried again
_LONGEST_REST = 32  # turns without a look at drafts, where they have not paid for long
_REMEMBERED = 8  # turns whose drafting is remembered for its cost
_MEMORY = 0.05  # how much the newest turn weighs in running means

_paces: WeakKeyDictionary[Network, Pace] = WeakKeyDictionary()


class Pace:
    """See the module; changes when a token is chosen, never which.

    Args:
        network: Whose forwards are timed.
    """

    def __init__(self, network: Network) -> None:
        # Other work on the machine is nothing that drafts could help.
        self.clock = time.thread_time if network.device.type == "cpu" else time.perf_counter
        self._lock = Lock()  # several loops may run on one network
        self._cost = CostCurve()
        self._growth: deque[float] = deque(maxlen=_REMEMBERED)
        self._each = 0.0  # seconds of drafting one token
        self._hoped = self._came = 1.0  # answers that drafts were thought to be worth, and were
        self._rest, self._resting = 0, 0

    @classmethod
    def of(cls, network: Network) -> Pace:
        """The one of a network."""
        return _paces.setdefault(network, cls(network))

    @property
    def is_resting(self) -> bool:
        """Whether drafts are not to be looked at in this turn, since they have not paid of late."""
        return self._resting > 0

    def turn(self) -> None:
        """Another turn begins."""
        self._resting = max(0, self._resting - 1)

    def timed(self, tokens: int, seconds: float) -> None:
        """A forward over so many tokens took so long."""
        with self._lock:
            self._cost.observe(tokens, seconds)

    def grown(self, seconds: float, count: int) -> None:
        """So many tokens were drafted in so long; most often, for a prompt is indexed but once."""
        if count:
            with self._lock:
                self._growth.append(seconds / count)
                self._each = median(self._growth)

    def looked(self, *, is_worth: bool) -> None:
        """Drafts were looked at, and some or none of them were worth reading."""
        self._rest = 0 if is_worth else min(max(1, 2 * self._rest), _LONGEST_REST)
        self._resting = self._rest

    def verified(self, hoped: float, came: int) -> None:
        """A draft was thought to be worth so many answers, and so many were asked for."""
        self._came += _MEMORY * (came - self._came)
        self._hoped += _MEMORY * (hoped - self._hoped)

    def least(self, most: int, num_rows: int, tokens: int) -> float:
        """The chance from which on one token more pays, were the cost a straight line.

        Args:
            most: Tokens that a row may draft.
            num_rows: Of the turn.
            tokens: Certain ones of all rows.
        """
        now = self._cost(tokens)
        slope = (self._cost(tokens + most) - now) / most
        pays = num_rows * (slope + self._each) / now if now else 0.0
        return min(max(_LEAST, pays), _LIKELY)

    def count(self, gains: Sequence[float], num_rows: int, tokens: int) -> int:
        """How many drafted tokens pay for reading and following them.

        Args:
            gains: What the answer after each is thought to be worth.
            num_rows: Of the turn; each says one token whatever becomes of the drafts.
            tokens: Certain ones of all rows.
        """
        trust = min(1.0, self._came / self._hoped) if self._hoped else 1.0
        trusted = [gain * trust for gain in gains]
        count = most_worth(trusted, self._cost, tokens=tokens, rows=num_rows, each=self._each)
        alone = self._cost(tokens)
        with_drafts = self._cost(tokens + count) + count * self._each
        gain = num_rows + sum(trusted[:count])
        return count if gain * alone >= _CLEAR * num_rows * with_drafts else 0
