"""MLP memory: what a store of states says, for a small network to learn by heart.

After MLP Memory (Wei et al. 2025, github.com/Binn0/MLPMemory): the targets are the distributions of
kNN-LM, each entry asked without itself; else it would always find what it holds already.
"""

from __future__ import annotations

import numpy as np

from tether.grounding.evidence import Floats, Ids
from tether.grounding.neighbours import StateStore

NAME = "memory"
"""The part of an index that holds a trained network."""

FILE = "memory.safetensors"
_LEAST = 1e-8  # what is less likely is left out


def targets(
    store: StateStore, entries: Ids, count: int, temperature: float, kept: int
) -> tuple[Ids, Floats]:
    """What the neighbours of some entries say, themselves left out.

    Args:
        store: Of at least two entries.
        entries: int64 [n], whose.
        count: Neighbours of each, at most.
        temperature: Of the squared distances of unit vectors.
        kept: Likeliest tokens kept, at most; their probabilities are made to sum to 1.

    Returns:
        Tokens int64 and probabilities float32 [n, kept]; 0 fills up.
    """
    near, cosines = store.keys.nearest(store.keys.directions(entries), count + 1)
    tokens, said = np.zeros((len(entries), kept), np.int64), np.zeros((len(entries), kept), "f4")
    for row, (own, ids, found) in enumerate(zip(entries, near, cosines, strict=True)):
        others = (ids != own) & (ids >= 0)
        ids, weights = ids[others][:count], np.exp(2 * (found[others][:count] - 1) / temperature)
        words, places = np.unique(store.next[ids], return_inverse=True)
        sums = np.bincount(places, weights / weights.sum(), len(words))
        best = np.argsort(-sums, kind="stable")[:kept]
        best = best[sums[best] > _LEAST]
        tokens[row, : len(best)] = words[best]
        said[row, : len(best)] = sums[best] / sums[best].sum()
    return tokens, said
