"""Llama, Mistral, Qwen2 and Qwen3 shaped networks in plain torch, without the library's imports.

Reads the same checkpoints; logits agree with transformers within 1e-4 (tests hold it). Only real
tokens of a ragged forward are computed, and in the last layer only those from which it is read on:
the linear layers work on a flat [tokens, width], and padding exists inside attention alone, where
it exists at all. Everything this file does not know (other architectures, other rotary scalings,
sliding windows, quantised weights) goes through `huggingface.py`.
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
from tether.decoding.models.attention import Packed, Padded, attend
from tether.decoding.models.base import Edit, Watch, mix
from tether.decoding.models.flat import Flat, Tail
from tether.decoding.models.lean_layer import Layer, Norm, Rotary, Shape
from tether.decoding.models.static import Places, StaticStep, is_step
from tether.decoding.window import Window


@dataclass(frozen=True, slots=True)
class Skip:
    """Sub-layers that a forward leaves out, by the numbers of their layers."""

    attention: frozenset[int] = frozenset()
    mlp: frozenset[int] = frozenset()


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
        self.packs = device.type == "cpu"
        self._shape = Shape.of(config)
        self.num_layers: int = config["num_hidden_layers"]
        self.max_positions: int = config["max_position_embeddings"]
        self.num_heads = self._shape.heads
        self._embedding = self._held("model.embed_tokens.weight")
        tied = config.get("tie_word_embeddings", False) or "lm_head.weight" not in weights
        self._head = self._embedding if tied else self._held("lm_head.weight")
        self.head_size, self.head_width = self._head.shape
        self._norm = Norm(self._held("model.norm.weight"), self._shape.eps)
        self._layers = [
            Layer(self._get, f"model.layers.{number}.", self._shape)
            for number in range(self.num_layers)
        ]
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
        flat = Flat(window)
        hidden = F.embedding(flat.of(tokens), self._embedding)  # [tokens, width]
        reads = flat.reads
        if mixtures is not None:
            mix(hidden, reads[: len(tokens)], mixtures, self._embedding)
        rotary = self._cos[flat.positions], self._sin[flat.positions]
        unseen = not taps and watch is None and edit is None
        attention, tail = self._attention(window, flat, watch, unseen=unseen)
        states = [hidden[reads]] if taps else []  # before the first layer, then after each
        for number, (layer, held) in enumerate(zip(self._layers, cache.layers, strict=True)):
            if number not in self._skip.attention:
                query, key, value = layer.project(hidden, rotary)
                if tail is not None and number == self.num_layers - 1:
                    query, hidden, reads = query[tail.kept], hidden[tail.kept], tail.reads
                    attention = Packed(window, flat, self._shape.size, tail)
                hidden = layer.attended(hidden, attention(number, held, query, key, value))
            if number not in self._skip.mlp:
                hidden = layer.mlp(hidden)
            if edit is not None:
                hidden = edit(number + 1, hidden, flat.rows, flat.positions)
            if taps:
                states.append(hidden[reads])
        read = torch.cat([hidden[reads], *(states[tap] for tap in taps)])
        return self._norm(read)

    def _attention(
        self, window: Window, flat: Flat, watch: Watch | None, *, unseen: bool
    ) -> tuple[Packed | Padded, Tail | None]:
        """How a forward attends, and what its last layer can leave out."""
        if unseen and self.packs and torch.is_inference_mode_enabled():
            return Packed(window, flat, self._shape.size), flat.tail()
        return Padded(window, flat, watch), None

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
            query, key, value = layer.project(hidden, rotary)
            held_keys[slots][rows, :, places.columns] = key
            held_values[slots][rows, :, places.columns] = value
            seen = attend(
                query.unsqueeze(2),
                held_keys[slots, :, : places.length],
                held_values[slots, :, : places.length],
                places.mask,
            )
            hidden = layer.mlp(layer.attended(hidden, seen))
        return self._norm(hidden)

    def _get(self, name: str) -> Tensor | None:
        """A tensor of the checkpoint, where it has one of this name."""
        found = self._weights.get(name)
        return None if found is None else found.to(device=self.device, dtype=self.dtype)

    def _held(self, name: str) -> Tensor:
        return self._weights[name].to(device=self.device, dtype=self.dtype)

    def _rotary_tables(self) -> Rotary:
        """Cosines and signed sines, [max_positions, 1, head_dim], in float32 as the library does.

        Rotating the halves (a, b) is (a, b) * cos + (b, a) * (-sin, sin).
        """
        size = self._shape.head_dim
        rope = self._config.get("rope_parameters") or {}
        theta = rope.get("rope_theta") or self._config.get("rope_theta") or 10_000.0
        exponent = torch.arange(0, size, 2, dtype=torch.float32) / size
        angles = torch.arange(self.max_positions)[:, None].float() / theta**exponent
        cos, sin = angles.cos(), angles.sin()
        tables = torch.cat((cos, cos), dim=1), torch.cat((-sin, sin), dim=1)
        cos, sin = (t[:, None, :].to(device=self.device, dtype=self.dtype) for t in tables)
        return cos, sin
