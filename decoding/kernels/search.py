"""Truncation without sorting: the largest kept key of each row, found by narrowing a range.

One program has a row to itself and goes over it a few times, each time summing up the tokens (or
their mass) that have no larger key than eight candidates, until one key is left in the range. It
skips tiles that lie beyond the range, which is soon most of them; nothing waits for the host.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from tether.decoding.kernels.batch import WORDS, Batch
from tether.decoding.kernels.cuts import ALL, Cuts, gap_of, kept, key_of, number_of
from tether.decoding.kernels.read import is_open
from tether.decoding.kernels.score import Facts, tile_scores
from tether.decoding.kernels.tile import LOWEST, some

_SPLIT = tl.constexpr(8)
_OPTIONS = {"num_warps": 16, "enable_fp_fusion": False}

# What is searched: the tokens by rank, their mass, or their mass from typical to surprising.
RANK, MASS, TYPICAL = range(3)
_RANK, _MASS, _TYPICAL = (tl.constexpr(kind) for kind in (RANK, MASS, TYPICAL))


def search(
    batch: Batch, facts: Facts, cuts: Cuts, goals: Tensor, active: Tensor, kind: int
) -> Tensor:
    """The largest kept key of each row, int32 [rows].

    Args:
        batch: The step.
        facts: What scores depend on.
        cuts: What was cut before; a search by mass goes on where one by rank ended.
        goals: [rows]: how many tokens, or which share of the mass, are to be reached.
        active: bool [rows]; the others keep what they had.
        kind: RANK, MASS or TYPICAL.
    """
    answers = batch.per_row(dtype=torch.int32)[0]
    _search[batch.row_grid](batch, facts, cuts, goals, active, answers, kind, **_OPTIONS)
    return answers


@triton.jit
def _search(
    batch: Batch, facts: Facts, cuts: Cuts, goals: tl.tensor, active: tl.tensor,
    answers: tl.tensor, KIND: tl.constexpr,
) -> None:  # fmt: skip
    row = tl.program_id(1).to(tl.int64)
    goal = tl.load(goals + row).to(tl.float32)
    choice = tl.arange(0, _SPLIT)
    low, high = tl.full((), -1, tl.int32), tl.full((), ALL, tl.int32)
    if KIND == _MASS and cuts.key is not None:
        high = tl.load(cuts.key + row)
    below, whole = tl.full((), 0, tl.float32), tl.full((), 0, tl.float32)
    searching = tl.load(active + row) != 0
    # The answer is above low and not above high.
    while searching:
        inside, several = _inside(batch, facts, cuts, row, low, high, KIND)
        reached = below + inside
        candidates = _candidate(choice, low, high)
        # The first look reaches all there is; later ones only go down from it.
        whole = tl.maximum(whole, tl.max(reached, 0))
        aim = goal if KIND == _RANK else goal * whole
        failed = tl.minimum(tl.sum((reached < aim).to(tl.int32), 0), _SPLIT - 1)
        below = tl.maximum(below, tl.max(tl.where(choice < failed, reached, 0.0), 0))
        low = tl.maximum(low, tl.max(tl.where(choice < failed, candidates, -1), 0))
        high = tl.min(tl.where(choice >= failed, candidates, ALL), 0)
        searching = several & (high - low > 1)
    tl.store(answers + row, high)


@triton.jit
def _candidate(choice: tl.tensor, low: tl.tensor, high: tl.tensor) -> tl.tensor:
    """Rising keys above low, the last of them high; denser at the low end, where the mass is."""
    part = (choice + 1.0) / _SPLIT
    near, far = number_of(tl.maximum(low, 0)), number_of(high)
    far = tl.where(near < 16, tl.minimum(far, 32.0), far)  # nats: beyond, there is hardly any
    key = key_of(near + (far - near) * (part * part))
    return tl.where(choice == _SPLIT - 1, high, tl.minimum(tl.maximum(key, low + 1), high))


@triton.jit
def _inside(
    batch: Batch, facts: Facts, cuts: Cuts, row: tl.tensor, low: tl.tensor, high: tl.tensor,
    KIND: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:  # fmt: skip
    """The weight above low up to each candidate, and whether there is more than one key there."""
    choice = tl.arange(0, _SPLIT)
    sums = tl.zeros((WORDS, _SPLIT), tl.float32)  # by word: joined when all tiles are seen
    nearest = tl.full((WORDS,), ALL, tl.int32)
    farthest = tl.full((WORDS,), -1, tl.int32)
    for tile in range(batch.tiles):
        if _matters(batch, cuts, row, tile, high, KIND):
            scores = tile_scores(batch, facts, row, tile)
            key, weight = _weigh(batch, cuts, row, scores, KIND)
            found = (key > low) & (key <= high) & (weight > 0)
            if some(found):
                nearest = tl.minimum(nearest, tl.min(tl.where(found, key, ALL), 1))
                farthest = tl.maximum(farthest, tl.max(tl.where(found, key, -1), 1))
                for number in tl.static_range(_SPLIT):
                    counts = found & (key <= _candidate(number, low, high))
                    words = tl.sum(tl.where(counts, weight, 0.0), 1)
                    sums += tl.where(choice[None, :] == number, words[:, None], 0.0)
    return tl.sum(sums, 0), tl.min(nearest, 0) < tl.max(farthest, 0)


@triton.jit
def _matters(
    batch: Batch, cuts: Cuts, row: tl.tensor, tile: tl.tensor, high: tl.tensor,
    KIND: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """Whether a tile has tokens to weigh: allowed ones, of no larger key than high."""
    if KIND == _TYPICAL:
        return is_open(batch, row, tile)
    else:
        best = tl.load(cuts.tops + row * batch.tiles + tile)
        return (best > LOWEST) & (key_of(gap_of(batch, cuts, row, best)) <= high)


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
