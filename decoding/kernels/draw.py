"""The last pass: the best token of each tile, with noise where rows are sampled; then of rows."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.kernels.batch import OPTIONS, Batch
from tether.decoding.kernels.cuts import Cuts, coolness, gap_of, kept
from tether.decoding.kernels.gumbel import gumbel
from tether.decoding.kernels.read import sound, tile_allowed
from tether.decoding.kernels.score import Facts, tile_scores
from tether.decoding.kernels.tile import LOWEST, join, put, some, tile_tokens, top, total
from tether.decoding.plan import Choice, Measures

_NO_TOKEN = tl.constexpr(2**31 - 1)

# Places in the partials: what a tile's values are relative to, its best and second-best value
# with noise, and its sum of exponentials without.
_PEAK, _BEST, _SECOND, _SUM = (tl.constexpr(place) for place in range(4))


def draw(batch: Batch, facts: Facts, cuts: Cuts, on_mask: Tensor | None) -> Choice:
    """The choice of each row.

    Args:
        batch: The step.
        facts: What scores depend on.
        cuts: What truncation keeps.
        on_mask: float32 [2, rows], log z and entropy, where the choice is to be measured.
    """
    measured = on_mask is not None
    partials, winners = batch.partials(4), batch.partials().to(torch.int32)
    _scan[batch.grid](batch, facts, cuts, partials, winners, measured, **OPTIONS)
    token, margin = batch.per_row(dtype=torch.int64)[0], batch.per_row()[0]
    chosen = batch.per_row(2) if measured else None
    _join[(batch.rows,)](batch, facts, partials, winners, token, margin, chosen, num_warps=1)
    if on_mask is None or chosen is None:
        return Choice(token, margin, None)
    return Choice(token, margin, Measures(chosen[0], chosen[1], on_mask[0], on_mask[1]))


@triton.jit
def _scan(
    batch: Batch, facts: Facts, cuts: Cuts, partials: tl.tensor, winners: tl.tensor,
    MEASURED: tl.constexpr,
) -> None:  # fmt: skip
    tile, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    allowed = tile_allowed(batch, row, tile)
    if some(allowed):
        scores = tile_scores(batch, facts, row, tile, allowed)
        peak, shaped = _shape(batch, cuts, row, scores)
        put(partials, _PEAK, peak)
        if MEASURED:
            put(partials, _SUM, total(tl.exp(shaped)))
        _put_best(partials, winners, tile_tokens(tile), _noisy(batch, row, tile, shaped))
    else:
        put(partials, _PEAK, LOWEST)
        put(partials, _SUM, 0.0)
        put(partials, _BEST, LOWEST)
        put(partials, _SECOND, LOWEST)
        put(winners, 0, _NO_TOKEN)


@triton.jit
def _shape(
    batch: Batch, cuts: Cuts, row: tl.tensor, scores: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Scores after truncation and temperature, relative to a peak, which comes first.

    The peak is the row's where truncation has found it, else the tile's own: that loses nothing
    however low the temperature, and saves a pass.
    """
    if cuts.peak is not None:
        gap = gap_of(batch, cuts, row, scores)
        shaped = tl.where(kept(batch, cuts, row, scores, gap), -gap, LOWEST)
        return tl.load(cuts.peak + row), shaped * coolness(batch, row, True)
    else:
        peak = top(scores)
        shaped = scores - tl.where(peak > LOWEST, peak, 0.0)
        return peak, _cooled(batch, row, shaped)


@triton.jit
def _cooled(batch: Batch, row: tl.tensor, values: tl.tensor) -> tl.tensor:
    """Divided by the row's temperature."""
    if batch.temperature is not None:
        values *= coolness(batch, row, True) * coolness(batch, row, False)
    return values


@triton.jit
def _noisy(batch: Batch, row: tl.tensor, tile: tl.tensor, shaped: tl.tensor) -> tl.tensor:
    """With the noise of sampled rows."""
    if batch.temperature is not None:  # noqa: SIM102 - one is known when compiled, one is not
        if tl.load(batch.temperature + row) > 0:
            shaped += gumbel(tl.load(batch.noise + row), tile_tokens(tile))
    return shaped


@triton.jit
def _put_best(
    partials: tl.tensor, winners: tl.tensor, tokens: tl.tensor, values: tl.tensor
) -> None:
    """Store a tile's best token (of equals, the lowest id), its value, and the second-best."""
    best = top(values)
    winner = tl.min(tl.min(tl.where(values == best, tokens, _NO_TOKEN), 1), 0)
    put(partials, _BEST, best)
    put(partials, _SECOND, top(tl.where(tokens == winner, LOWEST, values)))
    put(winners, 0, winner)


@triton.jit
def _join(
    batch: Batch, facts: Facts, partials: tl.tensor, winners: tl.tensor, token: tl.tensor,
    margin: tl.tensor, chosen: tl.tensor,
) -> None:  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    peaks = join(batch, partials, _PEAK, row, LOWEST)
    moved = _cooled(batch, row, peaks - tl.max(peaks, 0))
    values = join(batch, partials, _BEST, row, LOWEST) + moved
    seconds = join(batch, partials, _SECOND, row, LOWEST) + moved
    ids = join(batch, winners, 0, row, _NO_TOKEN)
    best = tl.max(values, 0)
    winner = tl.min(tl.where(values == best, ids, _NO_TOKEN), 0)
    tl.store(token + row, winner.to(tl.int64))
    tl.store(margin + row, best - tl.max(tl.where(ids == winner, seconds, values), 0))
    if chosen is not None:
        sums = join(batch, partials, _SUM, row, 0.0)
        log_q = best - tl.log(tl.sum(sums * tl.exp(moved), 0))
        tl.store(chosen + row, _without_noise(batch, row, winner, log_q))
        logit = sound(batch.logits + row * batch.vocab + winner, winner >= 0)
        tl.store(chosen + batch.rows + row, logit - tl.load(facts.norms + row))


@triton.jit
def _without_noise(batch: Batch, row: tl.tensor, winner: tl.tensor, log_q: tl.tensor) -> tl.tensor:
    """Log q of a sampled row's choice; 0 of a greedy one's."""
    if batch.temperature is not None:
        noise = gumbel(tl.load(batch.noise + row), winner)
        return tl.where(tl.load(batch.temperature + row) > 0, log_q - noise, 0.0)
    else:
        return log_q * 0.0
