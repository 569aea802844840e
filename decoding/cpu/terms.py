"""Evidence, head and contrast on the tokens of one row; see `tether.decoding.blend`.

A row whose weights are all neutral is left alone, so it keeps its bits whatever its neighbours do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tether.decoding.blend import FAR, FLOOR
from tether.decoding.cpu.row import Row
from tether.decoding.cpu.tokens import Floats, Ids, Tokens


@dataclass(frozen=True, slots=True)
class View:
    """A row of logits over the columns that its model has, and how it counts."""

    row: Row
    weight: float
    share: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What reshapes one row. Evidence has no padding, and each id once.

    Attributes:
        added_ids: Tokens with additive evidence.
        added: Its values.
        mixed_ids: Tokens with mixture evidence.
        mixed: Its probabilities, shares multiplied in.
        alpha: Of the head; 0 for none.
        base: Weight of the log-probabilities after evidence.
        own: Weight of the log-probabilities before evidence.
        views: Those that count.
    """

    added_ids: Ids
    added: Floats
    mixed_ids: Ids
    mixed: Floats
    alpha: float
    base: float
    own: float
    views: tuple[View, ...]

    @property
    def blends(self) -> bool:
        """Whether evidence or a view's share changes the probabilities."""
        shared = any(view.share for view in self.views)
        return bool(len(self.added_ids) or len(self.mixed_ids)) or shared

    @property
    def weighs(self) -> bool:
        """Whether the scores are another sum than the probabilities' logarithms alone."""
        return self.base != 1 or self.own != 0 or any(view.weight for view in self.views)

    @property
    def neutral(self) -> bool:
        """Whether nothing is reshaped."""
        return not (self.blends or self.weighs or self.alpha > 0)


def reshape(terms: Terms, row: Row) -> Tokens:
    """The row's allowed tokens that the head leaves, with their scores."""
    tokens = row.tokens
    if not terms.blends:  # the head's tokens are the same by logits, and often few
        tokens = _head(terms, tokens)
    blended = Tokens(row.log_p(tokens), tokens.ids, tokens.words)
    if terms.blends:
        blended = _head(terms, _blend(terms, blended, row))
    return _contrast(terms, blended, row) if terms.weighs else blended


def _head(terms: Terms, tokens: Tokens) -> Tokens:
    """The tokens of at least `alpha` times the best probability."""
    if terms.alpha <= 0:
        return tokens
    return tokens.above(tokens.best() + math.log(min(terms.alpha, 1.0)))


def _blend(terms: Terms, tokens: Tokens, row: Row) -> Tokens:
    """Additive evidence, then the mixture with other distributions; takes over the scores."""
    scores = tokens.scores
    places, held = tokens.places(terms.added_ids)
    scores[places[held]] += terms.added[held]
    shared = [view for view in terms.views if view.share]
    taken = float(terms.mixed.sum()) + sum(view.share for view in shared)
    if taken > 0:
        scores += float(np.log(max(1 - taken, 0.0))) - _gained(terms, row)
        for view in shared:
            known, log_p = _said(view, tokens)
            scores[known] = np.logaddexp(scores[known], log_p + math.log(view.share))
        places, held = tokens.places(terms.mixed_ids)
        mixed = np.log(terms.mixed[held])
        scores[places[held]] = np.logaddexp(scores[places[held]], mixed)
        np.maximum(scores, -FAR, out=scores)
    return Tokens(scores, tokens.ids, tokens.words)


def _gained(terms: Terms, row: Row) -> float:
    """Log of the mass of the whole row after additive evidence, which only few tokens change."""
    p = np.exp(row.logits[terms.added_ids].astype(np.float64) - row.total)
    gain = float((p * np.expm1(terms.added)).sum())
    if gain > -0.9:
        return math.log1p(gain)
    # What is left is a small difference of large numbers: count the others one by one.
    log_p = row.logits.astype(np.float64) - row.total
    log_p[terms.added_ids] += terms.added
    peak = float(log_p.max())
    return peak + math.log(float(np.exp(log_p - peak).sum()))


def _contrast(terms: Terms, tokens: Tokens, row: Row) -> Tokens:
    """The weighted sum; a view says what the model says where it has no column."""
    own = row.log_p(tokens)
    scores = terms.base * tokens.scores + terms.own * own
    for view in terms.views:
        if view.weight:
            known, log_p = _said(view, tokens)
            said = own.copy()
            said[known] = np.maximum(log_p, FLOOR)
            scores += view.weight * said
    return Tokens(scores, tokens.ids, tokens.words)


def _said(view: View, tokens: Tokens) -> tuple[slice, Floats]:
    """The tokens, by place, that a view has columns for, and their log-probabilities."""
    size = len(view.row.logits)
    if tokens.ids is None:
        return slice(0, size), view.row.logits - view.row.total
    count = int(np.searchsorted(tokens.ids, size))  # ids rise
    return slice(0, count), view.row.logits[tokens.ids[:count]] - view.row.total
