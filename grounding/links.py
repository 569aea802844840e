"""Names that a question mentions, as evidence on the places of a query where names are said.

Ours; entity linking inside the decoder, where GRISP and GRASP choose names by a second model and a
second pass. The graph says which names may stand here, the links which of these are meant, the
model whether a name is said at all: what it thinks of names as a whole is left as it is.
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
        tokens: Of the text, with the space before it.
        mention: The number of the mention; several names may be meant by one.
    """

    rank: int
    text: str
    score: float
    tokens: tuple[int, ...] = ()
    mention: int = 0


class Links:
    """The source; see `tether.grounding.evidence.Source`.

    A token is worth the weight times the best score among the linked names that go on with it; a
    mention that the query has named already counts no more. All tokens of names together are as
    likely as before.

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
        self._ranked = sorted(found)

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See Source.look."""
        return [self._clues(moment) if moment.slots else None for moment in moments]

    def _clues(self, moment: Moment) -> Clues | None:
        ranks, scores = self._open(tuple(moment.context[moment.start :]))
        gains: dict[int, float] = {}
        for slot in moment.slots:
            for token, score in self._scores(slot, ranks, scores):
                gains[token] = max(gains.get(token, 0.0), self._weight * score)
        if not gains:
            return None
        assert moment.log_p is not None, "it is among the needs"
        found = [self._names.tokens(slot.place, slot.names) for slot in moment.slots]
        ids = np.unique(np.concatenate(found))
        return Clues(ids, _levelled(np.array([gains.get(i, 0.0) for i in ids]), moment.log_p[ids]))

    def _open(self, said: tuple[int, ...]) -> tuple[Ranks, Floats]:
        """Ranks and scores of the links whose mentions were not named yet."""
        named = {link.mention for link in self._ranked if _holds(said, link.tokens)}
        links = [link for link in self._ranked if link.mention not in named]
        ranks = np.array([link.rank for link in links], np.uint32)
        return ranks, np.array([link.score for link in links])

    def _scores(self, slot: Slot, ranks: Ranks, scores: Floats) -> Iterator[tuple[int, float]]:
        """Tokens by which a linked name of the slot goes on, each with the best score behind it."""
        inside = (ranks >= slot.place.low) & (ranks < slot.place.high) & _among(ranks, slot.names)
        ranks, scores = ranks[inside], scores[inside]
        for token in self._names.tokens(slot.place, ranks).tolist():
            place = self._names.step(slot.place, token)
            assert place is not None, "a name goes on with it"
            below = slice(*np.searchsorted(ranks, [place.low, place.high]))
            yield token, float(scores[below].max())


def _among(ranks: Ranks, names: Ranks) -> NDArray[np.bool_]:
    """Which of a few ranks are in a set that may be large."""
    places = np.searchsorted(names, ranks)
    found = [at < len(names) and names[at] == r for at, r in zip(places, ranks, strict=True)]
    return np.array(found, np.bool_)


def _levelled(gains: Floats, log_p: Floats) -> Floats:
    """Gains less what makes the tokens likelier as a whole, both float [n]."""
    chances = np.exp(log_p.astype(np.float64) - log_p.max())
    chances /= chances.sum()
    level: Floats = gains - np.log((chances * np.exp(gains)).sum())
    return level


def _holds(said: tuple[int, ...], tokens: tuple[int, ...]) -> bool:
    size = len(tokens)
    places = range(len(said) - size + 1) if size else ()
    return any(said[at] == tokens[0] and said[at : at + size] == tokens for at in places)
