"""The LM head of a library model: what it computes, and whether that is one matrix product."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Linear, Module, Parameter

from tether.decoding.head import linear_at


class CausalLM(Protocol):
    """What is used of the library's models here."""

    device: torch.device
    base_model: Module

    def get_output_embeddings(self) -> Linear:
        """The head; a Linear for all that is known beforehand."""

    def __call__(self, *, input_ids: Tensor, use_cache: bool) -> Any:  # noqa: ANN401
        """An object with `logits`."""


class LibraryHead:
    """From what the layers say to logits.

    Attributes:
        plain: Logits are head(last hidden state); soft caps and scales make it False, and what the
            model's forward gives are taken to be logits already.
        size: Rows of the head.
        width: Its columns; 0 where it is no plain matrix (scaled, quantised, adapted) and has to
            run whole.
    """

    def __init__(self, model: CausalLM) -> None:
        self._output = model.get_output_embeddings()
        self.plain = _is_plain(model)
        self.size = self._output.weight.shape[0]
        matrix = type(self._output) is Linear and type(self._output.weight) is Parameter
        self.width = self._output.weight.shape[1] if self.plain and matrix else 0

    def logits(self, hidden: Tensor, ids: Tensor | None) -> Tensor:
        """See Network.head."""
        if ids is not None and self.width:
            return linear_at(hidden, self._output.weight, self._output.bias, ids)
        logits: Tensor = self._output(hidden) if self.plain else hidden
        return logits if ids is None else logits[:, ids]


@torch.inference_mode()
def _is_plain(model: CausalLM) -> bool:
    """Whether the head reads the last hidden state as it is and has the last word.

    A model's own logits may be too near to zero to show a soft cap: the head is made to say a wide
    range of values, and they have to come out as they are.
    """
    read: list[Tensor] = []
    said: list[Tensor] = []

    def speak(_: Module, given: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        wide = torch.linspace(-60, 60, logits.numel(), device=logits.device).view_as(logits)
        read.extend(given)
        said.append(wide.to(logits.dtype))
        return said[-1]

    tokens = torch.tensor([[0, 1, 2]], device=model.device)
    hook = model.get_output_embeddings().register_forward_hook(speak)
    try:
        whole = model(input_ids=tokens, use_cache=False).logits
    finally:
        hook.remove()
    hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
    return _same([hidden], read, 1e-3) and _same([whole], said, 0.0)


def _same(wanted: list[Tensor], found: list[Tensor], tolerance: float) -> bool:
    """Whether two lists of tensors, in whatever dtype, hold the same shapes and values."""
    if [tensor.shape for tensor in wanted] != [tensor.shape for tensor in found]:
        return False
    pairs = zip(wanted, found, strict=True)
    return all(torch.allclose(a.float(), b.float(), atol=tolerance, rtol=0) for a, b in pairs)
