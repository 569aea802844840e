"""The keyed draw among the tokens of one row: which score is best once Gumbel noise is on it.

Gumbel noise is -log of an exponential variate, so the draw is a race: a token of probability p
arrives at the time variate / p, and the first one wins. Of a variate -log(1 - u), u itself is a
lower bound that costs no logarithm: only the tokens with the least u / p are looked at closely.
"""

from __future__ import annotations

import math

import numpy as np

from tether.decoding.cpu.tokens import Floats, Ids, Tokens
from tether.decoding.noise import gumbel_of, hashes

_CLOSELY = 4096  # so few are looked at closely without ado
_REACH = 16.0  # the arrivals looked at closely: up to so many times the first bound
_NEVER = 1e30


def draw(tokens: Tokens, temperature: float, state: int) -> tuple[int, float]:
    """The token that wins and its lead in noisy scores; an infinite one where it is alone."""
    if len(tokens.scores) > _CLOSELY:
        found = _race(tokens, temperature, state)
        if found is not None:
            return found
    tokens = tokens.all()
    assert tokens.ids is not None
    scores = (tokens.scores - tokens.best()) / temperature
    scores += gumbel_of(hashes(state, tokens.ids), scores.dtype)
    return first_two(tokens.ids, scores)


def first_two(ids: Ids | None, scores: Floats) -> tuple[int, float]:
    """The token of the best score (ties: the lowest id) and its lead over the second best."""
    place = int(scores.argmax())
    token = place if ids is None else int(ids[place])
    before, after = scores[:place], scores[place + 1 :]
    second = max(float(part.max()) if len(part) else -math.inf for part in (before, after))
    return token, float(scores[place]) - second


def _race(tokens: Tokens, temperature: float, state: int) -> tuple[int, float] | None:
    """As `draw`; None where the second arrival is too late to be told from never."""
    scores, masses = tokens.masses(temperature)
    ids = np.arange(len(scores)) if tokens.ids is None else tokens.ids
    bits = hashes(state, ids)
    bounds = (bits.astype(scores.dtype) + 0.5) * 2.0**-32
    bounds /= masses
    limit, reach = float(bounds.min()), _REACH
    while (limit := limit * reach) < _NEVER:
        near = np.flatnonzero(bounds <= limit)
        noisy = scores[near] + gumbel_of(bits[near], scores.dtype)
        if np.count_nonzero(noisy > -math.log(limit)) > 1:
            return first_two(ids[near], noisy)
        reach *= _REACH
    return None
