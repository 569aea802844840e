"""The attention of library models, looked at over the shoulder of whoever computes it.

The library lets every architecture look its attention function up by a name in its config. While
heads are watched, that name is ours: the function keeps what the heads look at and leaves the
attention itself to the one that was configured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import Module
from transformers import AttentionInterface

from tether.decoding.models.base import Watch, looks
from tether.decoding.window import Window
from tether.errors import ModelError

_NAME = "tether"
_UNLIKE_SOFTMAX = ("softcap", "s_aux", "position_bias")  # what else may enter the weights


@dataclass(frozen=True, slots=True)
class _Post:
    """What a forward is watched for, and the attention that it would use else."""

    watch: Watch
    window: Window
    implementation: str


_post: ContextVar[_Post] = ContextVar("post")


@contextmanager
def watching(config: Any, watch: Watch, window: Window) -> Iterator[None]:  # noqa: ANN401
    """Fill a watch by the forward that runs inside.

    Args:
        config: The one that the attention modules of the text model hold.
        watch: See `Network.forward`.
        window: Of the forward.
    """
    usual = config._attn_implementation
    token = _post.set(_Post(watch, window, usual))
    config._attn_implementation = _NAME
    try:
        yield
    finally:
        config._attn_implementation = usual
        _post.reset(token)


def check(watch: Watch, architecture: str) -> None:
    """Refuse a watch that no attention function has filled.

    Raises:
        ModelError: The architecture computes its attention by itself.
    """
    if watch.attention is None or len(watch.attention) < len(watch.heads):
        raise _refusal(architecture)


def _attend(
    module: Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    **options: Any,  # noqa: ANN401
) -> tuple[Tensor, Tensor | None]:
    """The configured attention, with the watched heads of this layer kept."""
    post = _post.get()
    if heads := post.watch.at(int(module.layer_idx)):  # type: ignore[arg-type]
        if any(options.get(name) is not None for name in _UNLIKE_SOFTMAX):
            raise _refusal(type(module).__name__)
        scale = options.get("scaling")
        post.watch.keep(looks(query, key, heads, post.window, mask, scale))
    home: Any = sys.modules[type(module).__module__]
    usual = home.ALL_ATTENTION_FUNCTIONS.get_interface(
        post.implementation, home.eager_attention_forward
    )
    found: tuple[Tensor, Tensor | None] = usual(module, query, key, value, mask, **options)
    return found


def _refusal(architecture: str) -> ModelError:
    return ModelError(
        f"The attention of {architecture} cannot be watched.",
        hint="Take out the methods that need it (copy,by=attention).",
    )


AttentionInterface.register(_NAME, _attend)
