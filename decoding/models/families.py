"""Which checkpoints `lean.py` computes exactly, by their config.json."""

from __future__ import annotations

from typing import Any

FAMILIES = frozenset({"llama", "mistral", "qwen2", "qwen3"})


def supports(config: dict[str, Any]) -> bool:
    """Whether config.json describes a network that `lean.py` computes exactly."""
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
