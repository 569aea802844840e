"""What turns with and without drafts cost here, how often drafts come true, and so what pays.

Kept for as long as the network is: what one run has found out, the next one knows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Lock
from weakref import WeakKeyDictionary

from tether.decoding.drafts.costs import Costs
from tether.decoding.drafts.length import most_worth, nearest
from tether.decoding.drafts.line import Line
from tether.decoding.models.base import Network

_LEAST = 0.02  # chances below this are not even looked at by the grammar
_CLEAR = 1.03  # drafts have to promise so many times the speed without them
_LIKELY = 0.5  # chances above it are looked at whatever it costs: costs change, and are tried again
_LOOKS = 0.01  # of the time is what looks at drafts that do not pay may take, for long
_LONGEST_REST = 32  # turns without a look at drafts, however dear it is
_BINS = 10  # of the chances that drafters give, each with how often it came true
_PRIOR, _MOST = 8, 200  # examples that weigh what drafters say; after which old ones fade

_paces: WeakKeyDictionary[Network, Pace] = WeakKeyDictionary()


class Pace:
    """See the module; changes when a token is chosen, never which.

    Args:
        network: Whose turns are timed.
    """

    def __init__(self, network: Network) -> None:
        # Other work on the machine is nothing that drafts could help.
        self.clock = time.thread_time if network.device.type == "cpu" else time.perf_counter
        self._lock = Lock()  # several loops may run on one network
        self._costs: dict[int, Costs] = {}  # by the rows of a turn
        self._looks = Line()  # by drafted tokens, read or not
        self._came = [(at + 0.5) / _BINS for at in range(_BINS)]
        self._tries = [_PRIOR] * _BINS
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

    def timed(self, num_rows: int, tokens: int, drafted: int, seconds: float) -> None:
        """A turn of so many rows, over certain tokens and drafted ones, took so long.

        What a prompt took is as good: it tells how dear tokens are before any was drafted.
        """
        with self._lock:
            self._cost(num_rows).observe(tokens, drafted, seconds)

    def verified(self, chance: float, *, came: bool) -> None:
        """An answer was thought to be asked for with this chance, and was or was not.

        Drafters do not know what the grammar leaves out beside a draft, and copies are surer of
        themselves than they should be.
        """
        at = _bin(chance)
        self._tries[at] = min(self._tries[at] + 1, _MOST)
        self._came[at] += (came - self._came[at]) / self._tries[at]

    def trusted(self, chance: float) -> float:
        """How often it comes true what is thought to with this chance."""
        at = _bin(chance)
        return min(1.0, self._came[at] * chance * _BINS / (at + 0.5))

    def least(self, num_rows: int, tokens: int) -> float:
        """The chance, as drafters give it, below which no token pays.

        Args:
            num_rows: Of the turn.
            tokens: Certain ones of all rows.
        """
        cost = self._cost(num_rows)
        alone, each = cost.alone(tokens), cost.added(tokens)[1] + self._looks(())[1]
        pays = min(num_rows * each / alone, _LIKELY) if alone else 0.0
        for at, came in enumerate(self._came):
            least = max(at, pays * (at + 0.5) / came) / _BINS if came else 1.0
            if least < (at + 1) / _BINS:
                return max(_LEAST, least)
        return _LIKELY

    def count(
        self, gains: Sequence[float], num_rows: int, tokens: int, look: tuple[int, float]
    ) -> int:
        """How many drafted tokens pay for reading and following them.

        Where they would not pay for the look at them too, the next turns go without one.

        Args:
            gains: What the answer after each is worth, `trusted`; falling, but for zeros.
            num_rows: Of the turn; each says one token whatever becomes of the drafts.
            tokens: Certain ones of all rows.
            look: How many were drafted, and the seconds that it took.
        """
        cost = self._cost(num_rows)
        alone, (start, each) = cost.alone(tokens), cost.added(tokens)

        def seconds(drafted: int) -> float:
            return alone + (start + each * drafted if drafted else 0.0)

        count = most_worth(gains, seconds, rows=num_rows)
        speed = alone * (num_rows + sum(gains[:count])) / num_rows  # times the seconds
        pays = speed > _CLEAR * seconds(count)
        with self._lock:
            self._looks.observe(*look, ())
            self._relax(look[1], alone, is_worth=speed > _CLEAR * (seconds(count) + look[1]))
            if gains and not pays:
                cost.refused()
        return count if pays else 0

    def _relax(self, look: float, turn: float, *, is_worth: bool) -> None:
        """Let some turns go without a look that was not worth it, more each time."""
        longest = min(_LONGEST_REST, int(look / (_LOOKS * turn))) if turn else 0
        self._rest = 0 if is_worth else min(max(1, 2 * self._rest), longest)
        self._resting = self._rest

    def _cost(self, num_rows: int) -> Costs:
        """Of turns of about so many rows."""
        return self._costs.setdefault(nearest(num_rows), Costs())


def _bin(chance: float) -> int:
    return min(int(chance * _BINS), _BINS - 1)
