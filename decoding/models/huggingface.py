"""Any causal LM of the library behind our Network. Only this and library_*.py import transformers.

The library's model runs its own forward; keys and values go to our slots through a `Cache` whose
`update` writes each row at its own columns. Positions and an additive float 4-D mask are always
given: a boolean 4-D mask is silently wrong under eager attention.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import Cache
from transformers.distributed import DistributedConfig
from transformers.utils import logging

from tether.decoding.cache import SlotCache, SlotLayer
from tether.decoding.models import ranks
from tether.decoding.models.base import Edit, Watch, mix
from tether.decoding.models.library_attention import check, watching
from tether.decoding.models.library_edit import editing
from tether.decoding.models.library_head import LibraryHead
from tether.decoding.window import Window
from tether.errors import ModelError

_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_ATTENTION_KINDS = frozenset({"full_attention", "sliding_attention"})


class _WindowCache(Cache):  # type: ignore[misc]  # the library is untyped here
    """The library's cache protocol over the slots of one forward."""

    def __init__(self, cache: SlotCache, window: Window) -> None:
        super().__init__(layers=[])
        self._slot_layers, self._window = cache.layers, window

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        layer: SlotLayer = self._slot_layers[layer_idx]
        return layer.update(key_states, value_states, self._window)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._window.length - max(self._window.counts)


class HuggingFaceNetwork:
    """See `tether.decoding.models.base.Network`."""

    def __init__(self, model: Any, *, compile: bool = False) -> None:
        self._model = model.eval().requires_grad_(False)
        self._base = torch.compile(model.base_model, dynamic=True) if compile else model.base_model
        config = model.config.get_text_config()
        self._sliding, self._mixed = _sliding_window(config)
        self.num_layers: int = config.num_hidden_layers
        self.num_heads: int = config.num_attention_heads
        self._head = LibraryHead(model)
        self._plain_head = self._head.plain
        self.head_size, self.head_width = self._head.size, self._head.width
        self.max_positions: int = getattr(config, "max_position_embeddings", None) or 1 << 30
        self.num_parameters: int = model.num_parameters()
        self.packs = False
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype
        self._exact: HuggingFaceNetwork | None = None
        self._whole: Callable[[], Any] = lambda: copy.deepcopy(model).double()

    @classmethod
    def load(
        cls, directory: Path, *, device: torch.device, dtype: torch.dtype, compile: bool
    ) -> HuggingFaceNetwork:
        """Load a checkpoint directory: safetensors only, no remote code, no network.

        Where this process is one of several ranks, it holds its part, by the library's own plan.
        """
        logging.set_verbosity_error()
        logging.disable_progress_bar()  # stderr is for our own words
        try:
            config = AutoConfig.from_pretrained(directory, **_LOCAL)
            _refuse_recurrent(config.get_text_config())
            options = _split(config) if ranks.begun() else {}
            model = _library_model(directory, dtype, **options)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"transformers cannot load the model in {directory}: {error}",
                hint="Give a directory with config.json, *.safetensors and tokenizer.json.",
            ) from error
        if not ranks.begun():
            return cls(model.to(device), compile=compile)
        network = cls(model, compile=compile)
        # No part of a model can be made exact alone; what is exact is small enough for a rank.
        network._whole = lambda: _library_model(directory, torch.float64).to(device)
        return network

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
        """See Network.forward. Where the head is not plain, the states are already logits."""
        with ExitStack() as around:
            base: Any = self._base if watch is None and edit is None else self._model.base_model
            if watch is not None:
                config = self._model.config.get_text_config()
                around.enter_context(watching(config, watch, window))
            if edit is not None:
                around.enter_context(editing(base, self.num_layers, edit, window))
            states = self._states(base, tokens, cache, window, taps, mixtures)
        if watch is not None:
            check(watch, type(self._model).__name__)
        return states

    def traced(
        self, tokens: Tensor, cache: SlotCache, window: Window, edit: Edit | None = None
    ) -> Tensor:
        """See Network.traced."""
        base = self._model.base_model
        if edit is None:
            return self._states(base, tokens, cache, window, (), None)
        with editing(base, self.num_layers, edit, window):
            return self._states(base, tokens, cache, window, (), None)

    def _states(
        self,
        base: Any,
        tokens: Tensor,
        cache: SlotCache,
        window: Window,
        taps: Sequence[int],
        mixtures: Tensor | None,
    ) -> Tensor:
        inputs: dict[str, Any] = {
            "attention_mask": self._masks(window),
            # Padding may point past the last position of a learned table.
            "position_ids": window.positions.clamp(max=self.max_positions - 1),
            "past_key_values": _WindowCache(cache, window),
            "use_cache": True,
        }
        if mixtures is None:
            inputs["input_ids"] = tokens
        else:
            inputs["inputs_embeds"] = self._embedded(tokens, window, mixtures)
        if taps:
            norm = self._last_norm()
            found = base(**inputs, output_hidden_states=True)
            early = [norm(_read(found.hidden_states[tap], window)) for tap in taps]
            return torch.cat([_read(found.last_hidden_state, window), *early])
        if self._plain_head:
            return _read(base(**inputs).last_hidden_state, window)
        return _read(self._model(**inputs).logits, window)

    def head(self, hidden: Tensor, ids: Tensor | None = None) -> Tensor:
        """See Network.head."""
        return self._head.logits(hidden, ids)

    def _embedded(self, tokens: Tensor, window: Window, mixtures: Tensor) -> Tensor:
        """The embeddings [rows, q, width] with each row's last one mixed."""
        table = self._model.get_input_embeddings()
        fed: Tensor = table(tokens)
        # Asked for, not read from its weight, which some architectures scale.
        every = table(torch.arange(mixtures.shape[1], device=tokens.device))
        mix(fed.view(-1, fed.shape[-1]), window.last, mixtures, every)
        return fed

    def _last_norm(self) -> Any:
        """The norm between the layers and the head.

        Raises:
            ModelError: This architecture's layers cannot be read through its head.
        """
        names = ("norm", "ln_f", "final_layer_norm", "final_layernorm")
        norms = [getattr(self._model.base_model, name, None) for name in names]
        norm = next((norm for norm in norms if norm is not None), None)
        if norm is None or not self._plain_head:
            raise ModelError(
                f"The layers of {type(self._model).__name__} cannot be read through its head.",
                hint="Take out the terms that read layers (dola, lol).",
            )
        return norm

    def exact(self) -> HuggingFaceNetwork:
        """See Network.exact."""
        if self.dtype == torch.float64:
            return self
        if self._exact is None:
            self._exact = HuggingFaceNetwork(self._whole())
        return self._exact

    def _masks(self, window: Window) -> Tensor | dict[str, Tensor]:
        """One additive mask for all layers, or one a kind where the config mixes kinds."""
        if self._sliding is None:
            return window.dense_mask(self.dtype)
        sliding = window.dense_mask(self.dtype, self._sliding)
        if not self._mixed:
            return sliding
        full = window.dense_mask(self.dtype)
        return {"full_attention": full, "sliding_attention": sliding}


def _read(states: Tensor, window: Window) -> Tensor:
    """[rows, q, width] -> [reads, width]."""
    return states.reshape(-1, states.shape[-1])[window.reads]


def _sliding_window(config: Any) -> tuple[int | None, bool]:
    """The width of sliding layers, if any, and whether masks are given by kind of layer."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        return (config.sliding_window, True) if "sliding_attention" in kinds else (None, False)
    return getattr(config, "sliding_window", None), False


def _library_model(directory: Path, dtype: torch.dtype, **options: Any) -> Any:
    """A model of the library, from safetensors alone."""
    return AutoModelForCausalLM.from_pretrained(
        directory, dtype=dtype, use_safetensors=True, **_LOCAL, **options
    )


def _split(config: Any) -> dict[str, Any]:
    """Options that give each rank its part.

    Raises:
        ModelError: The library has no plan for this architecture, or needs accelerate.
    """
    if find_spec("accelerate") is None:
        raise ModelError(
            "Splitting a model needs accelerate, which is not installed.",
            hint='Install it: pip install "tether[parallel]".',
        )
    if not getattr(config.get_text_config(), "base_model_tp_plan", None):
        raise ModelError(
            f"The library has no plan to split {config.model_type} models.",
            hint="Take one without --tensor-parallel.",
        )
    return {"distributed_config": DistributedConfig(tp_plan="auto")}


def _refuse_recurrent(config: Any) -> None:
    kinds = set(getattr(config, "layer_types", None) or ())
    if kinds - _ATTENTION_KINDS:
        raise ModelError(
            f"Layers of kind {', '.join(sorted(kinds - _ATTENTION_KINDS))} keep a state that "
            "cannot be rolled back.",
            hint="Choose a model whose layers are full or sliding-window attention.",
        )
