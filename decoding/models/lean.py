"""Llama, Mistral, Qwen2 and Qwen3 shaped networks in plain torch, without the library's imports.

Reads the same checkpoints; logits agree with transformers within 1e-4 (tests hold it). Only real
tokens of a ragged forward are computed: the linear layers work on a flat [tokens, width], and
padding exists inside attention alone. Everything this file does not know (other architectures,
other rotary scalings, sliding windows, quantised weights) goes through `huggingface.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.head import linear_at
from tether.decoding.models.base import Edit, Watch, looks, mix
from tether.decoding.models.static import Places, StaticStep, is_step
from tether.decoding.window import Window

FAMILIES = frozenset({"llama", "mistral", "qwen2", "qwen3"})


def supports(config: dict[str, Any]) -> bool:
    """Whether config.json describes a network that this file computes exactly."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return (
        config.get("model_type") in FAMILIES
        and rope.get("rope_type", rope.get("type", "default")) == "default"
        and rope.get("partial_rotary_factor", 1.0) == 1.0
        and config.get("hidden_act", "silu") == "silu"
        and not config.get("quantization_config")
        and not _slides(config)
    )


def _slides(config: dict[str, Any]) -> bool:
    kinds = config.get("layer_types")
    if kinds is not None:
        return any(kind != "full_attention" for kind in kinds)
    if config.get("model_type") == "mistral":
        return config.get("sliding_window") is not None
    return bool(config.get("use_sliding_window"))


@dataclass(frozen=True, slots=True)
class Skip:
    """Sub-layers that a forward leaves out, by the numbers of their layers."""

    attention: frozenset[int] = frozenset()
    mlp: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Layer:
    """Weights of one block; qkv and gate_up are the checkpoint's matrices stacked by rows."""

    attention_norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    head_norm: Tensor | None  # [heads + kv_heads, head_dim], the query's and the key's
    out: Tensor
    out_bias: Tensor | None
    mlp_norm: Tensor
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: Tensor
    down_bias: Tensor | None


class LeanNetwork:
    """See `tether.decoding.models.base.Network`."""

    def __init__(
        self,
        config: dict[str, Any],
        weights: dict[str, Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._config, self._weights = config, weights
        self.device, self.dtype = device, dtype
        self.num_layers: int = config["num_hidden_layers"]
        self.max_positions: int = config["max_position_embeddings"]
        self.num_heads: int = config["num_attention_heads"]
        self._kv_heads: int = config.get("num_key_value_heads") or self.num_heads
        self._head_dim: int = config.get("head_dim") or config["hidden_size"] // self.num_heads
        self._eps: float = config.get("rms_norm_eps", 1e-6)
        self._least = torch.tensor(self._eps, device=device, dtype=dtype)
        self._embedding = self._get("model.embed_tokens.weight")
        tied = config.get("tie_word_embeddings", False) or "lm_head.weight" not in weights
        self._head = self._embedding if tied else self._get("lm_head.weight")
        self.head_size, self.head_width = self._head.shape
        self._norm = self._get("model.norm.weight")
        self._layers = [self._layer(index) for index in range(self.num_layers)]
        self._cos, self._sin = self._rotary_tables()
        self.num_parameters = sum(weight.numel() for weight in weights.values())
        self._exact: LeanNetwork | None = None
        self._skip = Skip()
        self.static: StaticStep | None = None

    @torch.inference_mode()
    def forward(
        self,
        tokens: Tensor,
        cache: SlotCache,
        window: Window,
        taps: Sequence[int] = (),
        mixtures: Tensor | None = None,
        watch: Watch | None = None,
        edit: Edit | None = None,
    ) -> Tensor:
        """See Network.forward."""
        plain = not taps and mixtures is None and watch is None and edit is None
        if self.static is not None and plain and is_step(window):
            return self.static.run(tokens, cache, window)
        return self._run(tokens, cache, window, taps, mixtures, watch, edit)

    def traced(
        self, tokens: Tensor, cache: SlotCache, window: Window, edit: Edit | None = None
    ) -> Tensor:
        """See Network.traced."""
        return self._run(tokens, cache, window, (), None, None, edit)

    def _run(
        self,
        tokens: Tensor,
        cache: SlotCache,
        window: Window,
        taps: Sequence[int],
        mixtures: Tensor | None,
        watch: Watch | None,
        edit: Edit | None,
    ) -> Tensor:
        rows, width = tokens.shape
        real = _real_tokens(window, width)  # None where nothing is padding
        flat = tokens.reshape(-1) if real is None else tokens.reshape(-1)[real]
        positions = window.positions.reshape(-1)
        positions = positions if real is None else positions[real]
        rotary = self._cos[positions], self._sin[positions]  # each [tokens, 1, head_dim]
        reads = window.reads if real is None else torch.searchsorted(real, window.reads)
        hidden = F.embedding(flat, self._embedding)  # [tokens, width]
        if mixtures is not None:
            mix(hidden, reads[:rows], mixtures, self._embedding)
        states = [hidden[reads]] if taps else []  # before the first layer, then after each
        for number, (layer, held) in enumerate(zip(self._layers, cache.layers, strict=True)):
            if number not in self._skip.attention:
                parts = self._project(layer, hidden, rotary)
                query, key, value = (_pad(part, real, rows, width) for part in parts)
                keys, values = held.update(key, value, window)
                if watch is not None and (heads := watch.at(number)):
                    watch.keep(looks(query, keys, heads, window, window.mask))
                seen = self._attend(query, keys, values, window.mask)  # [rows * width, heads * dim]
                seen = seen if real is None else seen[real]
                hidden = hidden + F.linear(seen, layer.out, layer.out_bias)
            if number not in self._skip.mlp:
                hidden = hidden + self._mlp(layer, hidden)
            if edit is not None:
                hidden = edit(number + 1, hidden, _rows(real, rows, width, positions), positions)
            if taps:
                states.append(hidden[reads])
        read = torch.cat([hidden[reads], *(states[tap] for tap in taps)])
        return self._normalise(read, self._norm)

    def head(self, hidden: Tensor, ids: Tensor | None = None) -> Tensor:
        """See Network.head."""
        if ids is not None:
            return linear_at(hidden, self._head, None, ids)
        return F.linear(hidden, self._head)

    def exact(self) -> LeanNetwork:
        """See Network.exact."""
        if self.dtype == torch.float64:
            return self
        if self._exact is None:
            self._exact = LeanNetwork(
                self._config, self._weights, device=self.device, dtype=torch.float64
            )
        return self._exact

    def without(self, skip: Skip) -> LeanNetwork:
        """The same weights, some sub-layers of which are left out; not compiled."""
        shorter = copy.copy(self)
        shorter._skip, shorter._exact, shorter.static = skip, None, None
        return shorter

    def stack(
        self, tokens: Tensor, places: Places, keys: list[Tensor], values: list[Tensor]
    ) -> Tensor:
        """See `static.Stack`."""
        slots = slice(places.first, places.first + len(tokens))
        rows = torch.arange(len(tokens), device=tokens.device)
        rotary = self._cos[places.positions], self._sin[places.positions]
        hidden = F.embedding(tokens, self._embedding)
        for layer, held_keys, held_values in zip(self._layers, keys, values, strict=True):
            query, key, value = self._project(layer, hidden, rotary)
            held_keys[slots][rows, :, places.columns] = key
            held_values[slots][rows, :, places.columns] = value
            seen = self._attend(
                query.unsqueeze(2),
                held_keys[slots, :, : places.length],
                held_values[slots, :, : places.length],
                places.mask,
            )
            hidden = hidden + F.linear(seen, layer.out, layer.out_bias)
            hidden = hidden + self._mlp(layer, hidden)
        return self._normalise(hidden, self._norm)

    def _mlp(self, layer: _Layer, hidden: Tensor) -> Tensor:
        normed = self._normalise(hidden, layer.mlp_norm)
        gate, up = F.linear(normed, layer.gate_up, layer.gate_up_bias).chunk(2, dim=1)
        return F.linear(F.silu(gate) * up, layer.down, layer.down_bias)

    def _project(
        self, layer: _Layer, hidden: Tensor, rotary: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """[tokens, width] -> rotated query, rotated key, value; each [tokens, heads, head_dim]."""
        normed = self._normalise(hidden, layer.attention_norm)
        qkv = F.linear(normed, layer.qkv, layer.qkv_bias).view(normed.shape[0], -1, self._head_dim)
        rotated = qkv[:, : self.num_heads + self._kv_heads]
        value = qkv[:, self.num_heads + self._kv_heads :]
        if layer.head_norm is not None:
            rotated = self._normalise(rotated, layer.head_norm)
        cos, sin = rotary
        swapped = rotated.roll(self._head_dim // 2, dims=2)
        rotated = torch.addcmul(rotated * cos, swapped, sin)
        return rotated[:, : self.num_heads], rotated[:, self.num_heads :], value

    def _normalise(self, hidden: Tensor, weight: Tensor) -> Tensor:
        """RMS norm over the last dimension; `F.rms_norm` costs twice this on the CPU."""
        if hidden.is_cuda or hidden.dtype not in (torch.float32, torch.float64):
            return F.rms_norm(hidden, (hidden.shape[-1],), None, self._eps) * weight
        length: Tensor = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
        square = torch.addcmul(self._least, length, length, value=1 / hidden.shape[-1])
        return hidden * square.rsqrt_() * weight

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """[rows, heads, q, dim] x [rows, kv_heads, length, dim] -> [rows * q, heads * dim]."""
        grouped = self.num_heads != self._kv_heads
        seen = F.scaled_dot_product_attention(query, keys, values, mask, enable_gqa=grouped)
        return seen.transpose(1, 2).reshape(-1, self.num_heads * self._head_dim)

    def _get(self, name: str) -> Tensor:
        return self._weights[name].to(device=self.device, dtype=self.dtype)

    def _maybe(self, *names: str) -> Tensor | None:
        if names[0] not in self._weights:
            return None
        return torch.cat([self._get(name) for name in names])

    def _layer(self, index: int) -> _Layer:
        at = f"model.layers.{index}."
        qkv = [f"{at}self_attn.{part}_proj" for part in "qkv"]
        up = [f"{at}mlp.{part}_proj" for part in ("gate", "up")]
        return _Layer(
            attention_norm=self._get(f"{at}input_layernorm.weight"),
            qkv=torch.cat([self._get(f"{name}.weight") for name in qkv]),
            qkv_bias=self._maybe(*(f"{name}.bias" for name in qkv)),
            head_norm=self._head_norm(f"{at}self_attn."),
            out=self._get(f"{at}self_attn.o_proj.weight"),
            out_bias=self._maybe(f"{at}self_attn.o_proj.bias"),
            mlp_norm=self._get(f"{at}post_attention_layernorm.weight"),
            gate_up=torch.cat([self._get(f"{name}.weight") for name in up]),
            gate_up_bias=self._maybe(*(f"{name}.bias" for name in up)),
            down=self._get(f"{at}mlp.down_proj.weight"),
            down_bias=self._maybe(f"{at}mlp.down_proj.bias"),
        )

    def _head_norm(self, at: str) -> Tensor | None:
        """Norm weights of query and key heads under one another, where the family has them."""
        if f"{at}q_norm.weight" not in self._weights:
            return None
        query = self._get(f"{at}q_norm.weight").expand(self.num_heads, -1)
        key = self._get(f"{at}k_norm.weight").expand(self._kv_heads, -1)
        return torch.cat((query, key))

    def _rotary_tables(self) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines, [max_positions, 1, head_dim], in float32 as the library does.

        Rotating the halves (a, b) is (a, b) * cos + (b, a) * (-sin, sin).
        """
        rope = self._config.get("rope_parameters") or {}
        theta = rope.get("rope_theta") or self._config.get("rope_theta") or 10_000.0
        exponent = torch.arange(0, self._head_dim, 2, dtype=torch.float32) / self._head_dim
        angles = torch.arange(self.max_positions)[:, None].float() / theta**exponent
        cos, sin = angles.cos(), angles.sin()
        tables = torch.cat((cos, cos), dim=1), torch.cat((-sin, sin), dim=1)
        cos, sin = (t[:, None, :].to(device=self.device, dtype=self.dtype) for t in tables)
        return cos, sin


def _real_tokens(window: Window, width: int) -> Tensor | None:
    """Indices of the real tokens in the flattened [rows * width]; None where all are real."""
    if min(window.counts) == width:
        return None
    indices = [r * width + i for r, count in enumerate(window.counts) for i in range(count)]
    return torch.tensor(indices, device=window.columns.device)


def _rows(real: Tensor | None, rows: int, width: int, like: Tensor) -> Tensor:
    """int64 [tokens]: the row of each real token."""
    if real is not None:
        return real // width
    return torch.arange(rows, device=like.device).repeat_interleave(width)


def _pad(tensor: Tensor, real: Tensor | None, rows: int, width: int) -> Tensor:
    """[tokens, heads, dim] -> [rows, heads, width, dim], zeros where there is no token."""
    if real is not None:
        padded = tensor.new_zeros((rows * width, *tensor.shape[1:]))
        padded[real] = tensor
        tensor = padded
    if width == 1:
        return tensor.unsqueeze(2)
    return tensor.view(rows, width, *tensor.shape[1:]).transpose(1, 2)
