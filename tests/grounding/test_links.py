"""Evidence on places where names are said: what it adds, and what it leaves as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tether.graphs import Place, Ranks, Slot
from tether.grounding.evidence import Moment
from tether.grounding.links import Link, Links

NAMES = [(1, 2, 3), (1, 2, 4), (1, 5), (6, 7), (6, 7, 8)]
"""Names as tokens, in their order; their places are their ranks."""
ALL: Ranks = np.arange(len(NAMES), dtype=np.uint32)
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


_NONE: Mapping[int, int] = {}


def look(
    scores: dict[int, float],
    *slots: Slot,
    said: Sequence[int] = (),
    mentions: Mapping[int, int] = _NONE,
) -> dict[int, float] | None:
    """What each token gains over a token of a name that is not linked, with the weight 4."""
    links = [
        Link(rank, str(rank), score, NAMES[rank], mentions.get(rank, rank))
        for rank, score in scores.items()
    ]
    moment = Moment([0, *said], 1, False, LOG_P, slots=slots)
    (found,) = Links(Trie(), links, 4.0).look([moment])
    if found is None:
        return None
    names = np.unique(np.concatenate([Trie().tokens(s.place, s.names) for s in slots]))
    assert found.ids.tolist() == names.tolist()
    after = LOG_P[names] + found.values
    assert np.exp(after).sum() == pytest.approx(np.exp(LOG_P[names]).sum())  # the law
    gains = found.values - found.values.min()
    return dict(zip(names.tolist(), gains.round(6).tolist(), strict=True))


def test_a_name_goes_on_with_what_is_linked() -> None:
    assert look({0: 1.0}, slot(1, 2)) == {3: 4.0, 4: 0.0}
    assert look({0: 1.0, 1: 0.5}, slot(1, 2)) == {3: 2.0, 4: 0.0}


def test_the_best_name_behind_a_token_counts() -> None:
    assert look({0: 0.25, 1: 0.5, 2: 0.75}, slot(1)) == {2: 0.0, 5: 1.0}


def test_whether_a_name_is_said_is_left_to_the_model() -> None:
    """The law in `look`: so a name that begins like all others gains nothing."""
    assert look({0: 1.0}, slot(names=[0, 1, 2])) == {1: 0.0}
    assert look({0: 1.0}, slot()) == {1: 4.0, 6: 0.0}


def test_only_what_may_be_said_counts() -> None:
    assert look({0: 1.0}, slot(1, 2, names=[1])) is None
    assert look({0: 1.0, 3: 0.5}, slot(names=[1, 3])) == {1: 0.0, 6: 2.0}
    assert look({0: 1.0}, slot(6)) is None
    assert look({0: 1.0}, slot(names=[])) is None


def test_where_no_name_is_said_nothing_is_known() -> None:
    assert look({0: 1.0}) is None


def test_a_mention_counts_until_it_is_named() -> None:
    assert look({0: 1.0, 4: 0.5}, slot(), said=[9, 1, 2, 3, 9]) == {1: 0.0, 6: 2.0}
    assert look({0: 1.0, 4: 0.5}, slot(), said=[9, 1, 2, 9]) == {1: 2.0, 6: 0.0}
    by_another_name = look({0: 1.0, 2: 1.0, 4: 0.5}, slot(), said=[1, 5], mentions={0: 7, 2: 7})
    assert by_another_name == {1: 0.0, 6: 2.0}


def test_readings_are_taken_together() -> None:
    assert look({2: 1.0, 4: 0.5}, slot(1), slot(6, 7)) == {2: 0.0, 5: 4.0, 8: 2.0}


def test_the_surest_link_comes_first() -> None:
    links = Links(Trie(), [Link(3, "b", 0.2), Link(1, "a", 0.9), Link(0, "c", 0.2)], 1.0)
    assert [link.rank for link in links.found] == [1, 0, 3]
