"""The scores of a tile, computed anew by every pass: nothing of [rows, vocab] is ever written.

Steps 2 to 5 of `tether.decoding.reference`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from tether.decoding.kernels.batch import Batch
from tether.decoding.kernels.entries import ADDED, BIAS, MIXED
from tether.decoding.kernels.read import (
    FAR,
    in_view,
    tile_allowed,
    tile_entries,
    tile_logits,
    tile_view,
    tile_wanted,
)
from tether.decoding.kernels.tile import LOWEST, at, bits_of, tile_words

_FLOOR = tl.constexpr(-30.0)  # of a view's log-probabilities, as in the definition


class Facts(NamedTuple):
    """What earlier passes have found of each row.

    Attributes:
        norms: float32 [2 + views, rows], logsumexp of the logits, of the logits with additive
            evidence, and of the views; None where no score depends on them.
        best: float32 [rows], the best allowed log-probability after evidence, for the head.
    """

    norms: Any = None
    best: Any = None


@triton.jit
def tile_scores(batch: Batch, facts: Facts, row: tl.tensor, tile: tl.tensor) -> tl.tensor:
    """Final scores of a tile, -inf off the mask and off the plausibility head."""
    allowed, wanted = tile_allowed(batch, row, tile), tile_wanted(batch, row, tile)
    log_p, score = blended(batch, facts, row, tile, wanted)
    if batch.head is not None:
        alpha = tl.minimum(tl.load(batch.head + row), 1.0)
        allowed &= score >= tl.load(facts.best + row) + tl.log(alpha)
    if batch.views is not None:
        score = _contrasted(batch, facts, row, tile, wanted, log_p, score)
    score = _reweighed(batch, row, tile, score)
    return tl.where(allowed, score, LOWEST)


@triton.jit
def blended(
    batch: Batch, facts: Facts, row: tl.tensor, tile: tl.tensor, wanted: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Log-probabilities before and after evidence: added, then mixed in probability space."""
    shift = _shift(batch, facts, row)
    log_p = tile_logits(batch, row, tile, wanted) - shift
    score = log_p + tile_entries(batch, ADDED, row, tile)
    if batch.taken is not None:
        taken = tl.load(batch.taken + row)
        norm = tl.load(facts.norms + at(1, row)) - shift
        rest = score - norm + tl.log(tl.maximum(1 - taken, 0.0))
        other = tl.log(_other(batch, facts, row, tile, wanted))
        score = tl.where(taken > 0, tl.maximum(_add_logs(rest, other), -FAR), score)
    return log_p, score


@triton.jit
def _shift(batch: Batch, facts: Facts, row: tl.tensor) -> tl.tensor:
    """What is taken off a row's logits: their logsumexp where its scores depend on it, else 0.

    So a row that needs no normalising is scored by the same numbers alone and beside others.
    """
    shift = 0.0
    if facts.norms is not None:
        needed = tl.load(batch.penalty + row) != 1
        if batch.taken is not None:
            needed |= tl.load(batch.taken + row) > 0
        if batch.views is not None:
            needed |= tl.load(batch.own + row) != 0
            for view in tl.static_range(batch.num_views):
                needed |= tl.load(batch.weights + at(view, row)) != 0
        shift = tl.where(needed, tl.load(facts.norms + row), 0.0)
    return shift


@triton.jit
def _other(
    batch: Batch, facts: Facts, row: tl.tensor, tile: tl.tensor, wanted: tl.tensor
) -> tl.tensor:
    """The probability that mixtures give to the tokens of a tile."""
    other = tile_entries(batch, MIXED, row, tile)
    if batch.shares is not None:
        for view in tl.static_range(batch.num_views):
            share = tl.load(batch.shares + at(view, row))
            said = tl.exp(_view_log_p(batch, facts, view, row, tile, wanted))
            other += tl.where(in_view(batch, view, tile), share * said, 0.0)
    return other


@triton.jit
def _add_logs(one: tl.tensor, other: tl.tensor) -> tl.tensor:
    """log(exp(one) + exp(other)); either may be -inf."""
    high = tl.maximum(one, other)
    base = tl.where(high > LOWEST, high, 0.0)
    return base + tl.log(tl.exp(one - base) + tl.exp(other - base))


@triton.jit
def _view_log_p(
    batch: Batch, facts: Facts, view: tl.constexpr, row: tl.tensor, tile: tl.tensor,
    wanted: tl.tensor,
) -> tl.tensor:  # fmt: skip
    """A view's log-probabilities; right where the view knows the token."""
    norm = tl.load(facts.norms + at(2 + view, row))
    return tile_view(batch, view, row, tile, wanted) - norm


@triton.jit
def _contrasted(
    batch: Batch, facts: Facts, row: tl.tensor, tile: tl.tensor, wanted: tl.tensor,
    log_p: tl.tensor, score: tl.tensor,
) -> tl.tensor:  # fmt: skip
    """The weighted sum of log-probabilities: after evidence, before it, and of the views."""
    score = tl.load(batch.base + row) * score + tl.load(batch.own + row) * log_p
    for view in tl.static_range(batch.num_views):
        said = tl.maximum(_view_log_p(batch, facts, view, row, tile, wanted), _FLOOR)
        said = tl.where(in_view(batch, view, tile), said, log_p)
        score += tl.load(batch.weights + at(view, row)) * said
    return score


@triton.jit
def _reweighed(batch: Batch, row: tl.tensor, tile: tl.tensor, score: tl.tensor) -> tl.tensor:
    """With bias and repetition penalty."""
    score += tile_entries(batch, BIAS, row, tile)
    if batch.seen is not None:
        penalty = tl.load(batch.penalty + row)
        lowered = tl.where(score > 0, tl.div_rn(score, penalty), score * penalty)
        seen = bits_of(tile_words(batch, batch.seen, row, tile))
        score = tl.where(seen, lowered, score)
    return score
