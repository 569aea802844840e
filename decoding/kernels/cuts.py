"""What truncation keeps, as keys: how far a score is below the best of its row.

A key is made of the bits of a float32 that is never negative; they rise as the number does, and
equal numbers have one key, so that equal scores are kept or refused together. Numbers below 2**-24
count as 0, and those of 256 (nats: a mass of 1e-111) or more as one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from tether.decoding.kernels.batch import Batch
from tether.decoding.kernels.tile import LOWEST

ALL = tl.constexpr(2**28 - 1)  # the largest key there is
_LOWEST_BITS = tl.constexpr(0x33800000)  # of 2**-24
_MOST = tl.constexpr(1e38)  # so that 0 * 1 / temperature is 0 for every temperature


class Cuts(NamedTuple):
    """What is kept of each row; None where it is not asked for.

    Attributes:
        peak: float32 [rows], the best score; None where nothing is truncated.
        tops: float32 [rows, tiles], the best score of each tile.
        key: int32 [rows], the largest kept key by rank and mass.
        min_p: float32 [rows].
        mean: float32 [rows], mean gap of the tokens that the above keep.
        far: int32 [rows], the largest kept key of a gap's distance from the mean.
    """

    peak: Any = None
    tops: Any = None
    key: Any = None
    min_p: Any = None
    mean: Any = None
    far: Any = None


@triton.jit
def coolness(batch: Batch, row: tl.tensor, EARLY: tl.constexpr) -> tl.tensor:
    """1 / temperature if truncation comes before it (EARLY) or after it in this row, else 1."""
    heat = tl.load(batch.temperature + row)
    divides = (heat > 0) & ((tl.load(batch.early + row) != 0) == EARLY)
    return tl.where(divides, tl.minimum(tl.div_rn(1.0, tl.where(heat > 0, heat, 1.0)), _MOST), 1.0)


@triton.jit
def gap_of(batch: Batch, cuts: Cuts, row: tl.tensor, scores: tl.tensor) -> tl.tensor:
    """How far scores are below the best, in units of truncation; inf off the mask."""
    return (tl.load(cuts.peak + row) - scores) * coolness(batch, row, False)


@triton.jit
def key_of(values: tl.tensor) -> tl.tensor:
    """Keys of numbers that are not negative."""
    bits = values.to(tl.int32, bitcast=True) - _LOWEST_BITS
    return tl.minimum(tl.maximum(bits, 0), ALL)


@triton.jit
def number_of(keys: tl.tensor) -> tl.tensor:
    """The smallest numbers that have these keys, or nearly so."""
    return (keys + _LOWEST_BITS).to(tl.float32, bitcast=True)


@triton.jit
def kept(batch: Batch, cuts: Cuts, row: tl.tensor, scores: tl.tensor, gap: tl.tensor) -> tl.tensor:
    """Which tokens are left: by mask and head (their score), and by what truncation knows."""
    keep = scores > LOWEST
    if cuts.key is not None:
        keep &= key_of(gap) <= tl.load(cuts.key + row)
    if cuts.min_p is not None:
        floor = tl.maximum(-tl.log(tl.load(cuts.min_p + row)), 0.0)
        keep &= gap <= tl.where(tl.load(batch.temperature + row) > 0, floor, float("inf"))
    if cuts.far is not None:
        keep &= key_of(tl.abs(gap - tl.load(cuts.mean + row))) <= tl.load(cuts.far + row)
    return keep
