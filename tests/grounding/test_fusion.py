"""Reciprocal rank fusion against sums worked out by hand."""

from __future__ import annotations

import itertools

import pytest

from tether.grounding.index.fusion import fuse


def test_scores_are_sums_of_reciprocal_places() -> None:
    fused = fuse([[7, 3, 5], [3, 9]])
    assert [number for number, _ in fused] == [3, 7, 9, 5]
    scores = dict(fused)
    assert scores[3] == pytest.approx(1 / 62 + 1 / 61)
    assert scores[7] == pytest.approx(1 / 61)
    assert scores[9] == pytest.approx(1 / 62)
    assert scores[5] == pytest.approx(1 / 63)


def test_equal_scores_go_by_id() -> None:
    assert [number for number, _ in fuse([[4, 1], [1, 4]])] == [1, 4]
    assert [number for number, _ in fuse([[9], [2], [5]])] == [2, 5, 9]


def test_the_order_of_the_rankings_does_not_matter() -> None:
    rankings = [[1, 2, 3], [3, 4], [2, 5, 1]]
    orders = [[n for n, _ in fuse(given)] for given in itertools.permutations(rankings)]
    assert all(order == orders[0] for order in orders)


def test_nothing_fused_is_nothing() -> None:
    assert fuse([]) == fuse([[], []]) == []


def test_a_large_damping_counts_votes() -> None:
    assert fuse([[1], [2, 3], [2, 3]], damping=10**6)[-1][0] == 1
    assert fuse([[1], [2, 3], [4, 3], [5, 3]], damping=0)[0] == (3, 1.5)
