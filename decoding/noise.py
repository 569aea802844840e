"""Counter-based noise: the draw of a token depends on (seed, row key, position, token) alone.

So a row draws the same tokens alone, in any batch, with drafts, and after a resume. The hash is
two rounds of a 32-bit avalanche mixer (xor-shift and multiply). Here twice: in int64 tensors masked
to 32 bits, and for one row in numpy's uint32; both give the same bits, as a kernel in uint32 does.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LOW = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9


def row_state(seed: int, key: str, position: int) -> int:
    """The 64-bit state (signed) of one draw; host side, once a token."""
    text = f"{seed}\x00{key}\x00{position}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)


def gumbel(states: Tensor, tokens: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard Gumbel noise for tokens int64 [rows, k] (or [1, k]) under states int64 [rows].

    Returns:
        [rows, k] in `dtype`; arg max over k of log q + noise is a draw from q (Gumbel-max).

    Note:
        As -log of an exponential variate: the winners are the small ones, where a 32-bit uniform
        has its finest steps.
    """
    low, high = (states & _LOW)[:, None], ((states >> 32) & _LOW)[:, None]
    bits = _mix((tokens * _GOLDEN + low) & _LOW)
    bits = _mix(bits ^ high)
    # The top of the range is cut at 1 - 2**-24, the last float32 below one.
    uniform = ((bits.to(dtype) + 0.5) * 2.0**-32).clamp_(max=1 - 2.0**-24)
    return torch.log1p(uniform.neg_()).neg_().log_().neg_()


def hashes(state: int, tokens: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The 32 bits behind the noise of these tokens, under the state of one row."""
    bits = tokens.astype(np.uint32)
    bits *= np.uint32(_GOLDEN)
    bits += np.uint32(state & _LOW)
    _stir(bits)
    bits ^= np.uint32((state >> 32) & _LOW)
    _stir(bits)
    return bits


def gumbel_of(bits: NDArray[np.uint32], dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
    """The noise that `gumbel` makes of these hashes."""
    noise: NDArray[np.floating[Any]] = bits.astype(dtype)
    noise += 0.5
    noise *= -(2.0**-32)
    np.maximum(noise, 2.0**-24 - 1, out=noise)
    for step in (np.log1p, np.negative, np.log, np.negative):
        step(noise, out=noise)
    return noise


def _stir(bits: NDArray[np.uint32]) -> None:
    """As `_mix`, in place; uint32 wraps by itself."""
    bits ^= bits >> np.uint32(16)
    bits *= np.uint32(0x7FEB352D)
    bits ^= bits >> np.uint32(15)
    bits *= np.uint32(0x846CA68B)
    bits ^= bits >> np.uint32(16)


def _mix(bits: Tensor) -> Tensor:
    bits = bits ^ (bits >> 16)
    bits = (bits * 0x7FEB352D) & _LOW
    bits = bits ^ (bits >> 15)
    bits = (bits * 0x846CA68B) & _LOW
    return bits ^ (bits >> 16)
