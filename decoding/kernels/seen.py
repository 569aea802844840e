"""Seen tokens as bits, so that the penalty costs the same however many there are."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = tl.constexpr(256)


def seen_bits(ids: Tensor, words: int) -> Tensor:
    """int64 [rows, n], padded with -1 -> int32 [rows, words], bit t % 32 of word t // 32."""
    rows, width = ids.shape
    bits = torch.zeros((rows, words), dtype=torch.int32, device=ids.device)
    if width:
        _scatter[(triton.cdiv(width, _BLOCK.value), rows)](ids.contiguous(), bits, width, words)
    return bits


@triton.jit
def _scatter(ids: tl.tensor, bits: tl.tensor, width: tl.tensor, words: tl.tensor) -> None:
    row = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * _BLOCK + tl.arange(0, _BLOCK)
    token = tl.load(ids + row * width + column, mask=column < width, other=-1)
    bit = (1 << (token % 32)).to(tl.int32)
    tl.atomic_or(bits + row * words + token // 32, bit, mask=token >= 0)
