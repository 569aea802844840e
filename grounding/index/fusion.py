"""Reciprocal rank fusion: one ranking out of several. Knows ids and places, never scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

DAMPING = 60


def fuse(rankings: Iterable[Iterable[int]], damping: int = DAMPING) -> list[tuple[int, float]]:
    """Ids with their fused score, best first; equal scores by the smaller id.

    An id's score is the sum of 1 / (damping + place) over the rankings that name it, places
    counted from 1. Scores of different kinds (BM25, cosines) need no common scale.

    Args:
        rankings: Ids, best first; an id stands at most once in each.
        damping: How little the first places count above the later ones.

    Source: Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods", SIGIR 2009; its constant is 60.
    """
    scores: defaultdict[int, float] = defaultdict(float)
    for ranking in rankings:
        for place, passage in enumerate(ranking, 1):
            scores[passage] += 1 / (damping + place)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
