"""One pass over whole rows: every logsumexp that scores or measures need.

Each tile stores its largest value and its sum relative to that; a tiny kernel joins the tiles.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.kernels.batch import OPTIONS, Batch
from tether.decoding.kernels.entries import ADDED
from tether.decoding.kernels.read import (
    in_view,
    tile_allowed,
    tile_entries,
    tile_logits,
    tile_view,
)
from tether.decoding.kernels.tile import (
    LOWEST,
    at,
    join,
    join_logsumexp,
    put,
    put_logsumexp,
    relative,
    tile_tokens,
    top,
    total,
)

# Places in the partials: peak and sum of the model, of the model with additive evidence, and of
# the model on the mask (with the sum of values times weights); then two for each view.
_MODEL, _ADDED, _ON_MASK, _VIEWS = (tl.constexpr(place) for place in (0, 2, 4, 7))


def normalise(batch: Batch, *, measured: bool) -> tuple[Tensor, Tensor | None]:
    """Facts of whole rows.

    Returns:
        norms: float32 [2 + views, rows], as in `Facts`.
        on_mask: float32 [2, rows], log of the model's mass on the mask and its entropy there;
            None where it is not measured.
    """
    views: int = batch.num_views.value
    partials = batch.partials(_VIEWS.value + 2 * views)
    norms, on_mask = batch.per_row(2 + views), batch.per_row(2) if measured else None
    _scan[batch.grid](batch, partials, measured, **OPTIONS)
    _join[batch.row_grid](batch, partials, norms, on_mask, num_warps=1)
    return norms, on_mask


@triton.jit
def _scan(batch: Batch, partials: tl.tensor, MEASURED: tl.constexpr) -> None:
    tile, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    inside = tile_tokens(tile) < batch.vocab
    logits = tl.where(inside, tile_logits(batch, row, tile, inside), LOWEST)
    put_logsumexp(partials, _MODEL, logits)
    if batch.taken is not None:
        put_logsumexp(partials, _ADDED, logits + tile_entries(batch, ADDED, row, tile))
    if MEASURED:
        allowed = tile_allowed(batch, row, tile)
        _put_on_mask(partials, tl.where(allowed, logits, LOWEST))
    for view in tl.static_range(batch.num_views):
        known = in_view(batch, view, tile)
        said = tl.where(known, tile_view(batch, view, row, tile, known), LOWEST)
        put_logsumexp(partials, _VIEWS + 2 * view, said)


@triton.jit
def _put_on_mask(partials: tl.tensor, logits: tl.tensor) -> None:
    put_logsumexp(partials, _ON_MASK, logits)
    peak = top(logits)
    weight = relative(logits, peak)
    put(partials, _ON_MASK + 2, total(tl.where(weight > 0, weight * (logits - peak), 0.0)))


@triton.jit
def _join(batch: Batch, partials: tl.tensor, norms: tl.tensor, on_mask: tl.tensor) -> None:
    row = tl.program_id(1).to(tl.int64)
    norm = join_logsumexp(batch, partials, _MODEL, row)
    tl.store(norms + row, norm)
    if batch.taken is not None:
        added = join_logsumexp(batch, partials, _ADDED, row)
        tl.store(norms + at(1, row), added)
    for view in tl.static_range(batch.num_views):
        said = join_logsumexp(batch, partials, _VIEWS + 2 * view, row)
        tl.store(norms + at(2 + view, row), said)
    if on_mask is not None:
        tl.store(on_mask + row, join_logsumexp(batch, partials, _ON_MASK, row) - norm)
        tl.store(on_mask + at(1, row), _entropy(batch, partials, row))


@triton.jit
def _entropy(batch: Batch, partials: tl.tensor, row: tl.tensor) -> tl.tensor:
    """Of the model on the mask: the log of the sum, less the mean of what was summed."""
    peaks = join(batch, partials, _ON_MASK, row, LOWEST)
    sums = join(batch, partials, _ON_MASK + 1, row, 0.0)
    products = join(batch, partials, _ON_MASK + 2, row, 0.0)
    peak = tl.max(peaks, 0)
    weight = relative(peaks, peak)
    whole = tl.sum(sums * weight, 0)
    moved = tl.where(weight > 0, weight * (products + sums * (peaks - peak)), 0.0)
    return tl.log(whole) - tl.sum(moved, 0) / whole
