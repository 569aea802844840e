"""The last pass: the best value of each tile, with noise where rows are sampled; then the token."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.kernels.batch import OPTIONS, Batch
from tether.decoding.kernels.cuts import Cuts, coolness, gap_of, kept
from tether.decoding.kernels.gumbel import gumbel
from tether.decoding.kernels.read import is_open, sound
from tether.decoding.kernels.score import Facts, tile_scores
from tether.decoding.kernels.tile import LOWEST, at, join, put, tile_tokens, top, total
from tether.decoding.plan import Choice, Measures

_NO_TOKEN = tl.constexpr(2**31 - 1)

# Places in the partials: what a tile's values are relative to, its best value with noise, and
# its sum of exponentials without.
_PEAK, _BEST, _SUM = (tl.constexpr(place) for place in range(3))


def draw(batch: Batch, facts: Facts, cuts: Cuts, on_mask: Tensor | None) -> Choice:
    """The choice of each row.

    Args:
        batch: The step.
        facts: What scores depend on.
        cuts: What truncation keeps.
        on_mask: float32 [2, rows], log z and entropy, where the choice is to be measured.
    """
    partials = batch.partials(3)
    _scan[batch.grid](batch, facts, cuts, partials, on_mask is not None, **OPTIONS)
    token, margin = batch.per_row(dtype=torch.int64)[0], batch.per_row()[0]
    chosen = None if on_mask is None else batch.per_row(2)
    _settle[batch.row_grid](batch, facts, cuts, partials, token, margin, chosen, **OPTIONS)
    if on_mask is None or chosen is None:
        return Choice(token, margin, None)
    return Choice(token, margin, Measures(chosen[0], chosen[1], on_mask[0], on_mask[1]))


@triton.jit
def _scan(
    batch: Batch, facts: Facts, cuts: Cuts, partials: tl.tensor, MEASURED: tl.constexpr
) -> None:
    tile, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    peak, best = LOWEST, LOWEST
    mass = 0.0
    if is_open(batch, row, tile):
        peak, shaped = _shape(batch, facts, cuts, row, tile)
        best = top(_noisy(batch, row, tile, shaped))
        if MEASURED and batch.temperature is not None:
            mass = total(tl.exp(shaped))
    put(partials, _PEAK, peak)
    put(partials, _BEST, best)
    put(partials, _SUM, mass)


@triton.jit
def _shape(
    batch: Batch, facts: Facts, cuts: Cuts, row: tl.tensor, tile: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """What scores are taken relative to; then they, after truncation and temperature.

    That is the row's best where truncation has found it, else the tile's own, which loses nothing
    however low the temperature, and saves a pass.
    """
    scores = tile_scores(batch, facts, row, tile)
    if batch.temperature is None:
        return 0.0, scores
    elif cuts.peak is not None:
        gap = gap_of(batch, cuts, row, scores)
        shaped = tl.where(kept(batch, cuts, row, scores, gap), -gap, LOWEST)
        return tl.load(cuts.peak + row), shaped * coolness(batch, row, True)
    else:
        peak = top(scores)
        return peak, _cooled(batch, row, scores - tl.where(peak > LOWEST, peak, 0.0))


@triton.jit
def _cooled(batch: Batch, row: tl.tensor, values: tl.tensor) -> tl.tensor:
    """Divided by the row's temperature."""
    if batch.temperature is not None:
        values *= coolness(batch, row, True) * coolness(batch, row, False)
    return values


@triton.jit
def _noisy(batch: Batch, row: tl.tensor, tile: tl.tensor, shaped: tl.tensor) -> tl.tensor:
    """With the noise of sampled rows; it is the dearest part, so not where nothing is left."""
    if batch.temperature is not None:  # noqa: SIM102 - one is known when compiled, one is not
        if (tl.load(batch.temperature + row) > 0) & (top(shaped) > LOWEST):
            shaped += gumbel(tl.load(batch.noise + row), tile_tokens(tile))
    return shaped


@triton.jit
def _settle(
    batch: Batch, facts: Facts, cuts: Cuts, partials: tl.tensor, token: tl.tensor,
    margin: tl.tensor, chosen: tl.tensor,
) -> None:  # fmt: skip
    """Finds the best tile of a row, and looks at that one again for the token."""
    row = tl.program_id(1).to(tl.int64)
    peaks = join(batch, partials, _PEAK, row, LOWEST)
    moved = _cooled(batch, row, peaks - tl.max(peaks, 0))
    values = join(batch, partials, _BEST, row, LOWEST) + moved
    tiles = tl.arange(0, batch.padded)
    tile = tl.min(tl.where(values == tl.max(values, 0), tiles, batch.padded), 0)
    elsewhere = tl.max(tl.where(tiles == tile, LOWEST, values), 0)

    _, shaped = _shape(batch, facts, cuts, row, tile)
    here = tl.sum(tl.where(tiles == tile, moved, 0.0), 0)
    noisy = _noisy(batch, row, tile, shaped) + here
    best, tokens = top(noisy), tile_tokens(tile)
    winner = tl.min(tl.min(tl.where(noisy == best, tokens, _NO_TOKEN), 1), 0)
    second = top(tl.where(tokens == winner, LOWEST, noisy))
    tl.store(token + row, winner.to(tl.int64))
    tl.store(margin + row, best - tl.maximum(second, elsewhere))
    if chosen is not None:
        logit = sound(batch.logits + row * batch.vocab + winner, winner >= 0)
        tl.store(chosen + at(1, row), logit - tl.load(facts.norms + row))
        tl.store(chosen + row, _log_q(batch, partials, row, moved, winner, best))


@triton.jit
def _log_q(
    batch: Batch, partials: tl.tensor, row: tl.tensor, moved: tl.tensor, winner: tl.tensor,
    noisy: tl.tensor,
) -> tl.tensor:  # fmt: skip
    """Of a sampled row's choice, whose noise is taken off again; 0 of a greedy one's."""
    if batch.temperature is None:
        return 0.0
    else:
        sums = join(batch, partials, _SUM, row, 0.0)
        mass = tl.sum(sums * tl.exp(moved), 0)
        log_q = noisy - gumbel(tl.load(batch.noise + row), winner) - tl.log(mass)
        return tl.where(tl.load(batch.temperature + row) > 0, log_q, 0.0)
