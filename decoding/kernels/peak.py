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
    return _tops(batch, facts, final=False).amax(dim=1)


def best_scores(batch: Batch, facts: Facts) -> tuple[Tensor, Tensor]:
    """The best final score, [rows], where truncation is measured from; and of tiles."""
    tops = _tops(batch, facts, final=True)
    return tops.amax(dim=1), tops


def _tops(batch: Batch, facts: Facts, *, final: bool) -> Tensor:
    tops = batch.partials()[0]
    _scan[batch.grid](batch, facts, tops, FINAL=final, **OPTIONS)
    return tops


@triton.jit
def _scan(batch: Batch, facts: Facts, tops: tl.tensor, FINAL: tl.constexpr) -> None:
    tile, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    peak = LOWEST
    if is_open(batch, row, tile):
        if FINAL:
            values = tile_scores(batch, facts, row, tile)
        else:
            _, values = blended(batch, facts, row, tile, tile_wanted(batch, row, tile))
            values = tl.where(tile_allowed(batch, row, tile), values, LOWEST)
        peak = top(values)
    put(tops, 0, peak)
