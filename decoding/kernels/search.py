"""Truncation without sorting: the largest kept key of each row, found digit by digit.

A round sums up, for sixteen candidates, the tokens (or their mass) that have no larger key, and
goes on below the first that reaches the goal: four bits of the answer. Every program narrows its
row's range from the last round's sums by itself, so that a round is one launch, and nothing waits
for the host.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.kernels.batch import OPTIONS, WORDS, Batch
from tether.decoding.kernels.cuts import ALL, Cuts, gap_of, kept, key_of
from tether.decoding.kernels.read import is_open
from tether.decoding.kernels.score import Facts, tile_scores
from tether.decoding.kernels.tile import LOWEST, at, some

_ROUNDS = 7  # of four bits: 2**28 keys
_SPLIT = tl.constexpr(16)

# What is searched: the tokens by rank, their mass, or their mass from typical to surprising.
RANK, MASS, TYPICAL = range(3)
_RANK, _MASS = tl.constexpr(RANK), tl.constexpr(MASS)


class Range(NamedTuple):
    """Where each row's answer is; the answer itself where low and high are one.

    Attributes:
        low: int32 [rows].
        high: int32 [rows].
        whole: float32 [rows], the weight of all that is searched.
    """

    low: Any
    high: Any
    whole: Any


def search(
    batch: Batch, facts: Facts, cuts: Cuts, goals: Tensor, active: Tensor, kind: int
) -> Tensor:
    """The largest kept key of each row, int32 [rows].

    Args:
        batch: The step.
        facts: What scores depend on.
        cuts: What was cut before; a search by mass goes on where one by rank ended.
        goals: float32 [rows]: how many tokens, or which share of the mass, are to be reached.
        active: bool [rows]; the others keep what they had.
        kind: RANK, MASS or TYPICAL.
    """
    high = torch.full_like(goals, ALL.value, dtype=torch.int32)
    if cuts.key is not None and kind == MASS:
        high = cuts.key
    ranges = Range(torch.where(active, 0, high), high, torch.zeros_like(goals))
    sums = batch.partials(_SPLIT.value)
    for number in range(_ROUNDS):
        old, sums = sums, batch.partials(_SPLIT.value)
        found = _room(batch)
        _round[batch.grid](
            batch, facts, cuts, goals, ranges, old, found, sums, kind, number == 0, **OPTIONS
        )
        ranges = found
    answer = _room(batch)
    _last[batch.row_grid](batch, goals, ranges, sums, answer, kind, num_warps=1)
    return answer.high


def _room(batch: Batch) -> Range:
    low, high = batch.per_row(2, torch.int32)
    return Range(low, high, batch.per_row()[0])


@triton.jit
def _round(
    batch: Batch, facts: Facts, cuts: Cuts, goals: tl.tensor, ranges: Range, old: tl.tensor,
    found: Range, sums: tl.tensor, KIND: tl.constexpr, FIRST: tl.constexpr,
) -> None:  # fmt: skip
    tile, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    if FIRST:
        low, high = tl.load(ranges.low + row), tl.load(ranges.high + row)
        whole = tl.load(ranges.whole + row)
    else:
        low, high, whole = _narrow(batch, goals, ranges, old, row, KIND)
    if tile == 0:
        _store(found, row, low, high, whole)
    if low < high:
        key = tl.zeros((WORDS, 32), tl.int32)
        weight = tl.zeros((WORDS, 32), tl.float32)
        if is_open(batch, row, tile):
            scores = tile_scores(batch, facts, row, tile)
            key, weight = _weigh(batch, cuts, row, scores, KIND)
        _put_sums(batch, sums, row, tile, key, weight, low, high)


@triton.jit
def _weigh(
    batch: Batch, cuts: Cuts, row: tl.tensor, scores: tl.tensor, KIND: tl.constexpr
) -> tuple[tl.tensor, tl.tensor]:
    """Keys and weights of a tile; what is not searched weighs nothing."""
    gap = gap_of(batch, cuts, row, scores)
    if KIND == _RANK:
        return key_of(gap), (scores > LOWEST).to(tl.float32)
    elif KIND == _MASS:
        return key_of(gap), tl.exp(-gap)
    else:
        keep = kept(batch, cuts, row, scores, gap)
        distance = tl.abs(gap - tl.load(cuts.mean + row))
        return key_of(distance), tl.where(keep, tl.exp(-gap), 0.0)


@triton.jit
def _put_sums(
    batch: Batch, sums: tl.tensor, row: tl.tensor, tile: tl.tensor, key: tl.tensor,
    weight: tl.tensor, low: tl.tensor, high: tl.tensor,
) -> None:  # fmt: skip
    """The weight up to each candidate; all are alike where no token is in the range."""
    choices = tl.arange(0, _SPLIT)
    reached = tl.zeros((WORDS, _SPLIT), tl.float32)
    if some((key >= low) & (key <= high) & (weight > 0)):
        # Sums of words side by side, then of the tile: one exchange between warps for all.
        for choice in tl.static_range(_SPLIT):
            candidate = tl.minimum(low + _step(low, high) * (choice + 1) - 1, high)
            words = tl.sum(tl.where(key <= candidate, weight, 0.0), 1)
            reached += tl.where(choices[None, :] == choice, words[:, None], 0.0)
    else:
        words = tl.sum(tl.where(key < low, weight, 0.0), 1)
        reached += words[:, None]
    place = at(choices, row) * batch.tiles + tile
    tl.store(sums + place, tl.sum(reached, 0))


@triton.jit
def _step(low: tl.tensor, high: tl.tensor) -> tl.tensor:
    """How far candidates are apart."""
    return (high - low + _SPLIT) // _SPLIT


@triton.jit
def _narrow(
    batch: Batch, goals: tl.tensor, ranges: Range, sums: tl.tensor, row: tl.tensor,
    KIND: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:  # fmt: skip
    """The part of a row's range that the last round's sums leave."""
    low, high = tl.load(ranges.low + row), tl.load(ranges.high + row)
    tile, choice = tl.arange(0, batch.padded)[:, None], tl.arange(0, _SPLIT)[None, :]
    stored = tile < tl.where(low < high, batch.tiles, 0)  # nothing was, where all is known
    place = at(choice, row) * batch.tiles + tile
    reached = tl.sum(tl.load(sums + place, mask=stored, other=0.0), 0)
    # The first round's last candidate reaches all there is; later ones only go down from it.
    whole = tl.maximum(tl.load(ranges.whole + row), tl.max(reached, 0))
    goal = tl.load(goals + row)
    if KIND != _RANK:
        goal *= whole
    failed = tl.minimum(tl.sum((reached < goal).to(tl.int32), 0), _SPLIT - 1)
    step = _step(low, high)
    high = tl.minimum(low + step * (failed + 1) - 1, high)
    return tl.minimum(low + step * failed, high), high, whole


@triton.jit
def _store(found: Range, row: tl.tensor, low: tl.tensor, high: tl.tensor, whole: tl.tensor) -> None:
    tl.store(found.low + row, low)
    tl.store(found.high + row, high)
    tl.store(found.whole + row, whole)


@triton.jit
def _last(
    batch: Batch, goals: tl.tensor, ranges: Range, sums: tl.tensor, answer: Range,
    KIND: tl.constexpr,
) -> None:  # fmt: skip
    row = tl.program_id(1).to(tl.int64)
    low, high, whole = _narrow(batch, goals, ranges, sums, row, KIND)
    _store(answer, row, low, high, whole)
