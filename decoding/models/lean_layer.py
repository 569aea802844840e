"""One block of a lean network: its weights, and what they do to flat tokens beside attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALL = 1 << 18  # numbers of a weight that is laid out anew

Rotary = tuple[Tensor, Tensor]
"""Cosines and signed sines of some positions, each [tokens, 1, head_dim]."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What all blocks of a network have in common.

    Attributes:
        heads: Query heads.
        kv_heads: Key and value heads.
        head_dim: Numbers of a head.
        eps: Of the norms.
    """

    heads: int
    kv_heads: int
    head_dim: int
    eps: float

    @property
    def size(self) -> int:
        """Numbers of all query heads."""
        return self.heads * self.head_dim

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """As config.json has it."""
        heads: int = config["num_attention_heads"]
        return cls(
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            eps=config.get("rms_norm_eps", 1e-6),
        )


class Norm:
    """RMS norm over the last dimension; `F.rms_norm` costs half as much again on the CPU."""

    def __init__(self, weight: Tensor, eps: float) -> None:
        self._weight, self._eps = weight, eps
        self._least = weight.new_tensor(eps)

    def __call__(self, hidden: Tensor) -> Tensor:
        """[..., width] -> [..., width]."""
        if hidden.is_cuda or hidden.dtype not in (torch.float32, torch.float64):
            return F.rms_norm(hidden, (hidden.shape[-1],), None, self._eps) * self._weight
        length: Tensor = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
        square = torch.addcmul(self._least, length, length, value=1 / hidden.shape[-1])
        return (hidden * square.rsqrt_()).mul_(self._weight)


@dataclass(frozen=True, slots=True)
class Linear:
    """A product with weights [inputs, outputs], those of a checkpoint turned and side by side."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, hidden: Tensor) -> Tensor:
        """[tokens, inputs] -> [tokens, outputs]."""
        if self.bias is None:
            return torch.mm(hidden, self.weight)
        return torch.addmm(self.bias, hidden, self.weight)

    def onto(self, hidden: Tensor, given: Tensor) -> Tensor:
        """`hidden + self(given)`."""
        if self.bias is not None:
            return hidden + self(given)
        return torch.addmm(hidden, given, self.weight)


class Layer:
    """See the module.

    Args:
        get: A tensor of the checkpoint by its name; None where it has none.
        at: What the names of this block begin with.
        shape: Of its heads.
    """

    def __init__(self, get: Callable[[str], Tensor | None], at: str, shape: Shape) -> None:
        def held(name: str) -> Tensor:
            found = get(f"{at}{name}")
            assert found is not None, "the loader has checked the names"
            return found

        def linear(*names: str) -> Linear:
            biases = [get(f"{at}{name}.bias") for name in names]
            given = [bias for bias in biases if bias is not None]
            weights = [held(f"{name}.weight") for name in names]
            return Linear(_turned(weights), torch.cat(given) if given else None)

        self._shape = shape
        self._attention_norm = Norm(held("input_layernorm.weight"), shape.eps)
        self._qkv = linear(*(f"self_attn.{part}_proj" for part in "qkv"))
        self._head_norm: Norm | None = None
        if get(f"{at}self_attn.q_norm.weight") is not None:
            query = held("self_attn.q_norm.weight").expand(shape.heads, -1)
            key = held("self_attn.k_norm.weight").expand(shape.kv_heads, -1)
            self._head_norm = Norm(torch.cat((query, key)), shape.eps)
        self._out = linear("self_attn.o_proj")
        self._mlp_norm = Norm(held("post_attention_layernorm.weight"), shape.eps)
        self._gate_up = linear("mlp.gate_proj", "mlp.up_proj")
        self._down = linear("mlp.down_proj")

    def project(self, hidden: Tensor, rotary: Rotary) -> tuple[Tensor, Tensor, Tensor]:
        """[tokens, width] -> rotated query, rotated key, value; each [tokens, heads, head_dim]."""
        shape = self._shape
        qkv = self._qkv(self._attention_norm(hidden)).view(len(hidden), -1, shape.head_dim)
        num_turned = shape.heads + shape.kv_heads
        turned, value = qkv[:, :num_turned], qkv[:, num_turned:]
        if self._head_norm is not None:
            turned = self._head_norm(turned)
        cos, sin = rotary
        swapped = turned.roll(shape.head_dim // 2, dims=2)
        turned = torch.addcmul(turned * cos, swapped, sin)
        return turned[:, : shape.heads], turned[:, shape.heads :], value

    def attended(self, hidden: Tensor, seen: Tensor) -> Tensor:
        """What was seen, [tokens, heads * head_dim], put to the tokens that asked."""
        return self._out.onto(hidden, seen)

    def mlp(self, hidden: Tensor) -> Tensor:
        """The second half of the block."""
        gate, up = self._gate_up(self._mlp_norm(hidden)).chunk(2, dim=1)
        return self._down.onto(hidden, F.silu(gate).mul_(up))


def _turned(weights: list[Tensor]) -> Tensor:
    """[outputs, inputs] each -> [inputs, outputs] of all.

    Few tokens pass faster through small weights that lie in this order on a CPU. A large one alone
    is not copied, for it may lie in a mapped file.
    """
    whole = weights[0] if len(weights) == 1 else torch.cat(weights)
    is_small = whole.is_cpu and whole.numel() <= _SMALL
    return whole.t().contiguous() if is_small else whole.t()
