"""A tile of a row on the device: its tokens, sums over it, and sums over all tiles of a row.

Every kernel runs a program for each tile (axis 0), or just one, of each row (axis 1).
"""

from __future__ import annotations

import triton
import triton.language as tl

from tether.decoding.kernels.batch import WORDS, Batch

LOWEST = tl.constexpr(float("-inf"))


@triton.jit
def tile_tokens(tile: tl.tensor) -> tl.tensor:
    """The ids of a tile, [WORDS, 32]; the last tile goes beyond the vocabulary."""
    words = tile * WORDS + tl.arange(0, WORDS)
    return words[:, None] * 32 + tl.arange(0, 32)[None, :]


@triton.jit
def tile_words(batch: Batch, bits: tl.tensor, row: tl.tensor, tile: tl.tensor) -> tl.tensor:
    """The words of a tile, int32 [WORDS]; a word is read once for its 32 tokens."""
    word = tile * WORDS + tl.arange(0, WORDS)
    return tl.load(bits + row * batch.words + word, mask=word < batch.words, other=0)


@triton.jit
def bits_of(words: tl.tensor) -> tl.tensor:
    """The bits of words, bool [WORDS, 32]."""
    return ((words[:, None] >> tl.arange(0, 32)[None, :]) & 1) != 0


@triton.jit
def some(flags: tl.tensor) -> tl.tensor:
    """Whether any token of a tile has the flag."""
    return tl.max(tl.max(flags.to(tl.int32), 1), 0) > 0


@triton.jit
def top(values: tl.tensor) -> tl.tensor:
    """The largest value of a tile."""
    return tl.max(tl.max(values, 1), 0)


@triton.jit
def total(values: tl.tensor) -> tl.tensor:
    """The sum of a tile."""
    return tl.sum(tl.sum(values, 1), 0)


@triton.jit
def relative(values: tl.tensor, peak: tl.tensor) -> tl.tensor:
    """exp(values - peak), and 0 where both are -inf."""
    return tl.exp(values - tl.where(peak > LOWEST, peak, 0.0))


@triton.jit
def at(quantity: tl.tensor, row: tl.tensor) -> tl.tensor:
    """Where a quantity of a row lies in [quantities, rows]: the rows are the grid's axis 1."""
    return quantity * tl.num_programs(1) + row


@triton.jit
def put(partials: tl.tensor, quantity: tl.tensor, value: tl.tensor) -> None:
    """Store what this program's tile has found; `partials` is [quantities, rows, tiles]."""
    place = at(quantity, tl.program_id(1)) * tl.num_programs(0)
    tl.store(partials + place + tl.program_id(0), value)


@triton.jit
def put_logsumexp(partials: tl.tensor, quantity: tl.tensor, values: tl.tensor) -> None:
    """Store a tile's largest value and its sum of exponentials relative to that, side by side."""
    peak = top(values)
    put(partials, quantity, peak)
    put(partials, quantity + 1, total(relative(values, peak)))


@triton.jit
def join(
    batch: Batch, partials: tl.tensor, quantity: tl.tensor, row: tl.tensor, other: tl.tensor
) -> tl.tensor:
    """What all tiles of a row have found, [padded], with `other` as padding."""
    tile = tl.arange(0, batch.padded)
    place = at(quantity, row) * batch.tiles + tile
    return tl.load(partials + place, mask=tile < batch.tiles, other=other)


@triton.jit
def join_logsumexp(
    batch: Batch, partials: tl.tensor, quantity: tl.tensor, row: tl.tensor
) -> tl.tensor:
    """Logsumexp of a row, from what `put_logsumexp` stored."""
    peaks = join(batch, partials, quantity, row, LOWEST)
    sums = join(batch, partials, quantity + 1, row, 0.0)
    peak = tl.max(peaks, 0)
    return peak + tl.log(tl.sum(sums * relative(peaks, peak), 0))
