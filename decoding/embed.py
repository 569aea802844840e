"""Vectors of texts from the language model itself, where no embedder is at hand.

A vector is the mean over a text's tokens of what one layer holds. No network was trained for it:
`grounding` whitens such vectors, and how well they find passages is measured, not promised
(`benchmarks/index.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tether.decoding.models.base import Model
from tether.decoding.states import Piece, read
from tether.errors import ModelError, UsageError
from tether.grounding.index.embed import Embedder, SentenceEmbedder, Vectors, unit


def open_embedder(name: str, model: Callable[[], Model]) -> Embedder:
    """The embedder that a user named.

    Args:
        name: `hidden` or `hidden:LAYER` for the model's own states, else a directory.
        model: Loads the model; called for its own states only.

    Raises:
        UsageError: The layer is no number, or there is none of it.
        ModelError: The directory or the model cannot be used so.
    """
    kind, _, layer = name.partition(":")
    if kind != "hidden":
        return SentenceEmbedder(Path(name).expanduser().absolute())
    if layer and not layer.isdecimal():
        raise UsageError(
            f"{name!r} names no layer.", hint="Write hidden:N, with the number of layers read."
        )
    return HiddenStates(model(), int(layer or 0))


class HiddenStates:
    """A model's own states as an embedder; see `tether.grounding.index.embed.Embedder`.

    Args:
        model: Read with its own tokenizer.
        layer: 0 stands before the first layer (the embeddings of the tokens), n after n layers.

    Raises:
        UsageError: There is no such layer.
        ModelError: The layers of this architecture cannot be read.
    """

    learned = False

    def __init__(self, model: Model, layer: int = 0) -> None:
        if not 0 <= layer <= model.network.num_layers:
            raise UsageError(
                f"There is no layer {layer} in {model.name}.",
                hint=f"Name one from 0 to {model.network.num_layers}.",
            )
        self.name = f"hidden:{layer}"
        self.fingerprint = hashlib.sha256(f"{model.fingerprint} {layer}".encode()).hexdigest()
        self._model, self._layer = model, layer
        _, states = next(self._read([[model.vocabulary.eos_id]]))
        self.width = states.shape[1]

    def embed(self, texts: Sequence[str], *, question: bool = False) -> Vectors:
        """See `Embedder.embed`; questions are read as passages are.

        A text longer than 512 tokens (or the model's positions) is read in pieces of that length.
        """
        rows = [self._model.vocabulary.encode(text) for text in texts]
        sums = torch.zeros(len(texts), self.width, device=self._model.network.device)
        for piece, states in self._read(rows):
            sums[piece.row] += states.to(sums).sum(0)
        return unit(sums.cpu().numpy())

    def _read(self, rows: Sequence[Sequence[int]]) -> Iterator[tuple[Piece, Tensor]]:
        """The chosen layer's state of every token."""
        try:
            yield from read(self._model.network, rows, self._layer)
        except ModelError as error:
            raise ModelError(
                f"The layers of {self._model.name} cannot be read as vectors.",
                hint="Give --embedder DIR: a sentence-transformers directory.",
            ) from error
