"""The largest value of each row on its mask: of blended log-probabilities, or of final scores."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.kernels.batch import OPTIONS, Batch
from tether.decoding.kernels.read import is_open, tile_allowed, tile_wanted
from tether.decoding.kernels.score import Facts, blended, tile_scores
from tether.decoding.kernels.tile import LOWEST, put, top


def best_blended(batch: Batch, facts: Facts) -> Tensor:
    """The best allowed log-probability after evidence, [rows]: where the head is measured from."""
    return _best(batch, facts, final=False)


def best_score(batch: Batch, facts: Facts) -> Tensor:
    """The best final score, [rows]: where truncation is measured from."""
    return _best(batch, facts, final=True)


def _best(batch: Batch, facts: Facts, *, final: bool) -> Tensor:
    peaks = batch.partials()
    _scan[batch.grid](batch, facts, peaks, FINAL=final, **OPTIONS)
    return peaks[0].amax(dim=1)  # the largest is the same in whatever order it is sought


@triton.jit
def _scan(batch: Batch, facts: Facts, peaks: tl.tensor, FINAL: tl.constexpr) -> None:
    tile, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    peak = LOWEST
    if is_open(batch, row, tile):
        if FINAL:
            values = tile_scores(batch, facts, row, tile)
        else:
            _, values = blended(batch, facts, row, tile, tile_wanted(batch, row, tile))
            values = tl.where(tile_allowed(batch, row, tile), values, LOWEST)
        peak = top(values)
    put(peaks, 0, peak)
