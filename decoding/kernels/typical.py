"""The mean gap of the tokens that are kept so far: what typical sampling measures from.

A token's surprise less the entropy is its gap less the mean gap: the normaliser cancels.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.kernels.batch import OPTIONS, Batch
from tether.decoding.kernels.cuts import Cuts, gap_of, kept
from tether.decoding.kernels.read import is_open
from tether.decoding.kernels.score import Facts, tile_scores
from tether.decoding.kernels.tile import join, put, total


def mean_gap(batch: Batch, facts: Facts, cuts: Cuts) -> Tensor:
    """float32 [rows], weighted by probability."""
    partials, mean = batch.partials(2), batch.per_row()[0]
    _scan[batch.grid](batch, facts, cuts, partials, **OPTIONS)
    _join[batch.row_grid](batch, partials, mean, num_warps=1)
    return mean


@triton.jit
def _scan(batch: Batch, facts: Facts, cuts: Cuts, partials: tl.tensor) -> None:
    tile, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    mass = 0.0
    gaps = 0.0
    if is_open(batch, row, tile):
        scores = tile_scores(batch, facts, row, tile)
        gap = gap_of(batch, cuts, row, scores)
        weight = tl.where(kept(batch, cuts, row, scores, gap), tl.exp(-gap), 0.0)
        mass = total(weight)
        gaps = total(tl.where(weight > 0, weight * gap, 0.0))
    put(partials, 0, mass)
    put(partials, 1, gaps)


@triton.jit
def _join(batch: Batch, partials: tl.tensor, mean: tl.tensor) -> None:
    row = tl.program_id(1).to(tl.int64)
    mass = tl.sum(join(batch, partials, 0, row, 0.0), 0)
    gaps = tl.sum(join(batch, partials, 1, row, 0.0), 0)
    tl.store(mean + row, gaps / mass)
