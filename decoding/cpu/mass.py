"""Truncation without sorting: which tokens of a row top-k, top-p, min-p and typical-p keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tether.decoding.cpu.tokens import Floats, Tokens

_SORTED = 512  # so few are sorted
_SAMPLE = 128  # tokens that guess where a mass is reached


@dataclass(frozen=True, slots=True)
class Knobs:
    """How one row is sampled; as in `tether.decoding.request.Sampling`, `early` is its order."""

    temperature: float
    early: bool
    top_k: int
    top_p: float
    min_p: float
    typical_p: float

    @property
    def heat(self) -> float:
        """What divides the scores before truncation."""
        return 1.0 if self.early else self.temperature


GREEDY = Knobs(0.0, early=False, top_k=0, top_p=1.0, min_p=0.0, typical_p=1.0)


def truncate(tokens: Tokens, knobs: Knobs) -> Tokens:
    """The tokens that the row's truncation keeps; see `tether.decoding.reference.truncate`."""
    if knobs.top_k > 0:
        tokens = _best_k(tokens, knobs.top_k)
    cut = -math.inf
    if knobs.top_p < 1 or knobs.min_p > 0:
        best = tokens.best()
        if knobs.top_p < 1:
            cut = _nucleus(tokens, knobs)
        if knobs.min_p > 0:
            cut = max(cut, best + knobs.heat * math.log(knobs.min_p))
        tokens = tokens.above(min(cut, best))
    return _typical(tokens, knobs) if knobs.typical_p < 1 else tokens


def reach(keys: Floats, masses: Floats, target: float) -> float:
    """The key at which the mass of the greatest keys reaches `target`; a quickselect by mass.

    Args:
        keys: [n].
        masses: [n], not negative.
        target: Above 0. More than all the mass there is means all of it.

    Returns:
        The greatest key c with mass {key >= c} >= target, or the least key of positive mass.
    """
    while len(keys) > _SORTED:
        pivot = _guess(keys, masses, target)
        over, level = np.flatnonzero(keys > pivot), np.flatnonzero(keys == pivot)
        mass = float(masses[over].sum())
        if mass >= target:
            keys, masses = keys[over], masses[over]
            continue
        mass += float(masses[level].sum())
        under = np.flatnonzero(keys < pivot)
        if mass >= target or not masses[under].any():
            return float(pivot)
        target -= mass
        keys, masses = keys[under], masses[under]
    order = np.argsort(-keys)
    order = order[masses[order] > 0]
    before = np.cumsum(masses[order]) - masses[order]
    return float(keys[order[max(int(np.count_nonzero(before < target)), 1) - 1]])


def _guess(keys: Floats, masses: Floats, target: float) -> float:
    """Near the key that is looked for, by a sample of those that have mass."""
    step = len(keys) // _SAMPLE
    order = np.argsort(-keys[::step])
    sums = np.cumsum(masses[::step][order])
    place = int(np.searchsorted(sums, target / float(masses.sum()) * sums[-1]))
    return float(keys[::step][order[min(place, len(order) - 1)]])


def _best_k(tokens: Tokens, count: int) -> Tokens:
    found = tokens.top(count)
    if len(found.scores) <= count:
        return found
    place = len(found.scores) - count
    return found.above(float(np.partition(found.scores, place)[place]))


def _nucleus(tokens: Tokens, knobs: Knobs) -> float:
    """The lowest score that top-p keeps."""
    _, masses = tokens.masses(knobs.heat)
    total = float(masses.sum())
    # Tokens of less than this have together less mass than top-p refuses; the best one has 1.
    needed = np.flatnonzero(masses >= min((1 - knobs.top_p) * total / len(masses), 1.0))
    return reach(tokens.scores[needed], masses[needed], knobs.top_p * total)


def _typical(tokens: Tokens, knobs: Knobs) -> Tokens:
    """The tokens whose surprise is nearest to the entropy."""
    shifted, masses = tokens.masses(knobs.heat)
    total = float(masses.sum())
    surprise = float(np.where(masses > 0, masses * shifted, 0).sum()) / total
    nearness = -np.abs(shifted - surprise)  # log q + entropy = shifted - mean of shifted
    cut = reach(nearness, masses, knobs.typical_p * total)
    near = np.flatnonzero(nearness >= cut)
    ids = near if tokens.ids is None else tokens.ids[near]
    kept = tokens.allowed(ids)
    return Tokens(tokens.scores[near[kept]], ids[kept])
