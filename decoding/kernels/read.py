"""What a tile reads of the step: mask, logits of the model and of the views, evidence and bias."""

from __future__ import annotations

import triton
import triton.language as tl

from tether.decoding.kernels.batch import WORDS, Batch
from tether.decoding.kernels.tile import at, bits_of, tile_tokens, tile_words

FAR = tl.constexpr(1e30)  # stands for infinity, as in the definition


@triton.jit
def sound(pointer: tl.tensor, wanted: tl.tensor) -> tl.tensor:
    """Logits in float32 within +-FAR, NaN as the lowest; where not wanted, nothing is read."""
    raw = tl.load(pointer, mask=wanted, other=0.0).to(tl.float32)
    return tl.minimum(tl.maximum(raw, -FAR), FAR)  # of NaN and a number, both give the number


@triton.jit
def is_open(batch: Batch, row: tl.tensor, tile: tl.tensor) -> tl.tensor:
    """Whether the mask allows any token of a tile."""
    if batch.mask is None:
        return True
    else:
        words = tile_words(batch, batch.mask, row, tile)
        return tl.max((words != 0).to(tl.int32), 0) > 0


@triton.jit
def tile_allowed(batch: Batch, row: tl.tensor, tile: tl.tensor) -> tl.tensor:
    """Which tokens of a tile the mask allows."""
    allowed = tile_tokens(tile) < batch.vocab
    if batch.mask is not None:
        allowed &= bits_of(tile_words(batch, batch.mask, row, tile))
    return allowed


@triton.jit
def tile_wanted(batch: Batch, row: tl.tensor, tile: tl.tensor) -> tl.tensor:
    """Which logits of a tile to read: those of words with an allowed token.

    By words and not by tokens, so that a load is one of 16 bytes and not eight of two.
    """
    wanted = tile_tokens(tile) < batch.vocab
    if batch.mask is not None:
        wanted &= (tile_words(batch, batch.mask, row, tile) != 0)[:, None]
    return wanted


@triton.jit
def tile_logits(batch: Batch, row: tl.tensor, tile: tl.tensor, wanted: tl.tensor) -> tl.tensor:
    """The model's logits."""
    return sound(batch.logits + row * batch.vocab + tile_tokens(tile), wanted)


@triton.jit
def tile_view(
    batch: Batch, view: tl.constexpr, row: tl.tensor, tile: tl.tensor, wanted: tl.tensor
) -> tl.tensor:
    """A view's logits."""
    return sound(batch.views + at(view, row) * batch.vocab + tile_tokens(tile), wanted)


@triton.jit
def in_view(batch: Batch, view: tl.constexpr, tile: tl.tensor) -> tl.tensor:
    """Which tokens of a tile a view knows."""
    known = tile_tokens(tile) < batch.vocab
    if batch.sizes is not None:
        known &= tile_tokens(tile) < tl.load(batch.sizes + view)
    return known


@triton.jit
def tile_entries(batch: Batch, kind: tl.constexpr, row: tl.tensor, tile: tl.tensor) -> tl.tensor:
    """Sums of the entries of one kind, 0 where there are none."""
    values = tl.zeros((WORDS, 32), tl.float32)
    if batch.ids is not None:
        span = batch.starts + row * (batch.tiles + 1) + tile
        for entry in range(tl.load(span), tl.load(span + 1)):
            place = row * batch.entries + entry
            is_kind = tl.load(batch.kinds + place) == kind
            token = tl.where(is_kind, tl.load(batch.ids + place), -1)
            values += tl.where(tile_tokens(tile) == token, tl.load(batch.amounts + place), 0.0)
    return values
