"""What the layers of a library model hand on, changed by hooks while a forward runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, ModuleList

from tether.decoding.models.base import Edit
from tether.decoding.window import Window
from tether.errors import ModelError


@contextmanager
def editing(base: Module, num_layers: int, edit: Edit, window: Window) -> Iterator[None]:
    """Let an edit change what the layers hand on in the forward that runs inside.

    Args:
        base: The model without its head.
        num_layers: Of the text model.
        edit: See `Network.forward`.
        window: Of the forward.

    Raises:
        ModelError: The layers of this architecture are not found.
    """
    lists = [part for part in base.modules() if isinstance(part, ModuleList)]
    layers = next((part for part in lists if len(part) == num_layers), None)
    if layers is None:
        raise ModelError(
            f"The layers of {type(base).__name__} cannot be reached.",
            hint="Take out the methods that change them (knob).",
        )
    with ExitStack() as hooks:
        for number, layer in enumerate(layers, 1):
            changed = partial(_changed, edit, number, window)
            hooks.callback(layer.register_forward_hook(changed).remove)
        yield


def _changed(edit: Edit, number: int, window: Window, _: Module, __: object, output: Any) -> Any:  # noqa: ANN401
    """A layer's output (states, or a tuple that begins with them), its states edited."""
    states: Tensor = output[0] if isinstance(output, tuple) else output
    count, width = len(window.counts), window.width
    rows = torch.arange(count, device=states.device).repeat_interleave(width)
    flat = states.reshape(-1, states.shape[-1])
    edited = edit(number, flat, rows, window.positions.reshape(-1)).view_as(states)
    return (edited, *output[1:]) if isinstance(output, tuple) else edited
