"""The keyed noise of `tether.decoding.noise` on the device: the same bits, in uint32."""

from __future__ import annotations

import triton
import triton.language as tl

_GOLDEN, _FIRST, _SECOND = (tl.constexpr(number) for number in (0x9E3779B9, 0x7FEB352D, 0x846CA68B))
_BELOW_ONE = tl.constexpr(1 - 2.0**-24)


@triton.jit
def gumbel(state: tl.tensor, tokens: tl.tensor) -> tl.tensor:
    """Standard Gumbel noise of tokens under a row's int64 state, float32."""
    low, high = state.to(tl.uint32), (state >> 32).to(tl.uint32)
    bits = _mix(tokens.to(tl.uint32) * tl.full((), _GOLDEN, tl.uint32) + low)
    uniform = (_mix(bits ^ high).to(tl.float32) + 0.5) * 2.0**-32
    return -tl.log(_minus_log1m(tl.minimum(uniform, _BELOW_ONE)))


@triton.jit
def _minus_log1m(uniform: tl.tensor) -> tl.tensor:
    """-log(1 - u); the winners are the small ones, where 1 - u would lose their digits."""
    series = tl.fma(uniform, tl.full(uniform.shape, 1 / 6, tl.float32), 1 / 5)
    for order in tl.static_range(4, 0, -1):
        series = tl.fma(uniform, series, 1.0 / order)
    return tl.where(uniform < 1 / 16, uniform * series, -tl.log(1 - uniform))


@triton.jit
def _mix(bits: tl.tensor) -> tl.tensor:
    bits = bits ^ (bits >> 16)
    bits = bits * tl.full((), _FIRST, tl.uint32)
    bits = bits ^ (bits >> 15)
    bits = bits * tl.full((), _SECOND, tl.uint32)
    return bits ^ (bits >> 16)
