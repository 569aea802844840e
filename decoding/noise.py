"""Counter-based noise: the draw of a token depends on (seed, row key, position, token) alone.

So a row draws the same tokens alone, in any batch, with drafts, and after a resume. The hash is
two rounds of a 32-bit avalanche mixer (xor-shift and multiply); it runs in int64 tensors masked
to 32 bits, and uses nothing that a kernel in uint32 could not repeat bit for bit.
"""

from __future__ import annotations

import hashlib

import torch
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


def _mix(bits: Tensor) -> Tensor:
    bits = bits ^ (bits >> 16)
    bits = (bits * 0x7FEB352D) & _LOW
    bits = bits ^ (bits >> 15)
    bits = (bits * 0x846CA68B) & _LOW
    return bits ^ (bits >> 16)
