"""Evidence on places where names are said: what it adds, and what it leaves as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tether.graphs import Place, Ranks, Slot
from tether.grounding.evidence import Clues, Moment
from tether.grounding.links import Link, Links

NAMES = [(1, 2, 3), (1, 2, 4), (1, 5), (6, 7), (6, 7, 8)]
"""Names as tokens, in their order; their places are their ranks."""
ALL: Ranks = np.arange(len(NAMES), dtype=np.uint32)
NOT_NAMES = [0, 9]
LOG_P = np.log(np.array([3, 2, 1, 1, 1, 1, 5, 1, 1, 4]) / 20)


class Trie:
    """Places are depths and intervals of ranks."""

    def start(self) -> Place:
        return Place(0, 0, len(NAMES))

    def tokens(self, place: Place, among: Ranks) -> NDArray[np.int64]:
        depth, low, high = place
        names = [NAMES[rank] for rank in among if low <= rank < high]
        found = sorted({name[depth] for name in names if len(name) > depth})
        return np.array(found, np.int64)

    def step(self, place: Place, token: int) -> Place | None:
        depth, low, high = place
        ranks = [n for n in range(low, high) if NAMES[n][depth : depth + 1] == (token,)]
        return Place(depth + 1, ranks[0], ranks[-1] + 1) if ranks else None


def slot(*said: int, names: Sequence[int] = range(len(NAMES))) -> Slot:
    place = Trie().start()
    for token in said:
        after = Trie().step(place, token)
        assert after is not None
        place = after
    return Slot(place, np.array(names, np.uint32))


def look(scores: dict[int, float], *slots: Slot, weight: float = 4.0) -> Clues | None:
    links = [Link(rank, str(rank), score) for rank, score in scores.items()]
    (found,) = Links(Trie(), links, weight).look([Moment([0], 0, False, LOG_P, slots=slots)])
    return found


def gains(found: Clues | None) -> dict[int, float]:
    assert found is not None
    return dict(zip(found.ids.tolist(), found.values.tolist(), strict=True))


def test_a_name_goes_on_with_what_is_linked() -> None:
    assert gains(look({0: 1.0, 1: 0.5}, slot(1, 2))) == {3: 4.0, 4: 2.0}


def test_the_best_name_behind_a_token_counts() -> None:
    assert gains(look({0: 0.25, 1: 0.5, 2: 0.75}, slot(1))) == {2: 2.0, 5: 3.0}


def test_an_end_is_no_token() -> None:
    assert gains(look({3: 1.0, 4: 0.5}, slot(6, 7))) == {8: 2.0}


def test_only_what_may_be_said_counts() -> None:
    assert look({0: 1.0}, slot(1, 2, names=[1])) is None
    assert gains(look({0: 1.0, 1: 0.5}, slot(1, 2, names=[1]))) == {4: 2.0}
    assert look({0: 1.0}, slot(6)) is None
    assert look({0: 1.0}, slot(names=[])) is None


def test_where_no_name_is_said_nothing_is_known() -> None:
    assert look({0: 1.0}) is None


@pytest.mark.parametrize("scores", [{0: 1.0}, {0: 0.3, 3: 0.9}, {0: 1.0, 3: 1.0}])
def test_whether_a_name_is_said_is_left_to_the_model(scores: dict[int, float]) -> None:
    found = look(scores, slot())
    assert found is not None
    said = LOG_P.copy()
    said[found.ids] += found.values
    assert set(found.ids.tolist()).isdisjoint(NOT_NAMES)
    assert np.exp(said).sum() == pytest.approx(1.0)
    best = max(scores, key=lambda rank: scores[rank])
    others = [said[token] - LOG_P[token] for token in (1, 6) if token != NAMES[best][0]]
    assert all(said[NAMES[best][0]] - LOG_P[NAMES[best][0]] >= other for other in others)


def test_readings_are_taken_together() -> None:
    assert gains(look({2: 1.0, 4: 0.5}, slot(1), slot(6, 7))) == {5: 4.0, 8: 2.0}


def test_the_surest_link_comes_first() -> None:
    links = Links(Trie(), [Link(3, "b", 0.2), Link(1, "a", 0.9), Link(0, "c", 0.2)], 1.0)
    assert [link.rank for link in links.found] == [1, 0, 3]
