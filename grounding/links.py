"""Names that a question mentions, as evidence on the places of a query where names are said.

Ours; entity linking inside the decoder, where GRISP and GRASP choose names by a second model and a
second pass. The graph says which names may stand here, the links which of these are meant, the
model whether a name is said at all: its probability that one begins is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tether.graphs import Place, Ranks, Slot
from tether.grounding.evidence import Clues, Floats, Ids, Moment, Need


class Names(Protocol):
    """The names of a graph as tokens; see `tether.grounding.graph.names.Names`."""

    def start(self) -> Place:
        """The root."""

    def tokens(self, place: Place, among: Ranks) -> Ids:
        """Tokens, int64 [n], by which at least one name of `among` goes on from `place`."""

    def step(self, place: Place, token: int) -> Place | None:
        """The place after `token`; None where no name goes on with it."""


class Link(NamedTuple):
    """A name that is meant.

    Attributes:
        rank: Which.
        text: As queries write it.
        score: How surely, from 0 to 1.
    """

    rank: int
    text: str
    score: float


class Links:
    """The source; see `tether.grounding.evidence.Source`.

    A token is worth the weight times the best score among the linked names that go on with it.

    Args:
        names: Of the graph.
        found: Links, each rank once.
        weight: Nats that a name of score 1 gains over one without a link.

    Attributes:
        found: The links, surest first.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"slots", "log_p"})
    heads: ClassVar[tuple[tuple[int, int], ...]] = ()

    def __init__(self, names: Names, found: Sequence[Link], weight: float) -> None:
        self.found = tuple(sorted(found, key=lambda link: (-link.score, link.rank)))
        self._names, self._weight = names, weight
        ranked = sorted(found)
        self._ranks = np.array([link.rank for link in ranked], np.uint32)
        self._scores = np.array([link.score for link in ranked])

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See Source.look."""
        return [self._clues(moment) for moment in moments]

    def _clues(self, moment: Moment) -> Clues | None:
        gains: dict[int, float] = {}
        for slot in moment.slots:
            for token, gain in self._gains(slot):
                gains[token] = max(gains.get(token, 0.0), gain)
        if not gains:
            return None
        ids = np.array(sorted(gains), np.int64)
        values = np.array([gains[token] for token in ids.tolist()])
        start = self._names.start()
        begun = [slot for slot in moment.slots if slot.place == start]
        if begun:
            assert moment.log_p is not None, "it is among the needs"
            ids, values = _levelled(ids, values, self._firsts(begun), moment.log_p)
        return Clues(ids, values)

    def _gains(self, slot: Slot) -> Iterator[tuple[int, float]]:
        """What the tokens are worth by which a linked name of the slot goes on."""
        ranks, scores = self._linked(slot)
        if not ranks.size:
            return
        for token in self._names.tokens(slot.place, ranks).tolist():
            place = self._names.step(slot.place, token)
            assert place is not None, "a name goes on with it"
            below = slice(*np.searchsorted(ranks, [place.low, place.high]))
            yield token, self._weight * float(scores[below].max())

    def _linked(self, slot: Slot) -> tuple[Ranks, NDArray[np.float64]]:
        """The links that the slot allows, behind its place."""
        ranks, among = self._ranks, slot.names
        at = np.minimum(np.searchsorted(among, ranks), len(among) - 1)
        fits = among[at] == ranks if len(among) else np.zeros(len(ranks), np.bool_)
        fits &= (ranks >= slot.place.low) & (ranks < slot.place.high)
        return ranks[fits], self._scores[fits]

    def _firsts(self, slots: Sequence[Slot]) -> Ids:
        """All tokens by which names begin."""
        found = [self._names.tokens(slot.place, slot.names) for slot in slots]
        return np.unique(np.concatenate(found))


def _levelled(ids: Ids, values: Floats, firsts: Ids, log_p: Floats) -> tuple[Ids, Floats]:
    """Values of all first tokens of names, such that together they are as likely as before.

    Args:
        ids: int64 [k], first tokens of linked names, ascending.
        values: float [k], in nats.
        firsts: int64 [n], first tokens of all names, ascending; hold `ids`.
        log_p: float [vocab].
    """
    gains = np.zeros(len(firsts))
    gains[np.searchsorted(firsts, ids)] = values
    own = log_p[firsts].astype(np.float64)
    own -= own.max()
    chances = np.exp(own)
    level = np.log((chances * np.exp(gains)).sum() / chances.sum())
    return firsts, gains - level
