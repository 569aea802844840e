"""Vectors of texts from the language model itself, where no embedder is at hand.

A vector is the mean over a text's tokens of what one layer holds. No network was trained for it:
`grounding` whitens such vectors, and how well they find passages is measured, not promised
(`benchmarks/index.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.models.base import Model
from tether.errors import ModelError, UsageError
from tether.grounding.index.embed import Embedder, SentenceEmbedder, Vectors, unit

_TOKENS = 2048  # fed at once, padding included
_PIECE = 512  # the longest run of tokens that is read as one


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
        self.width = self._states([[model.vocabulary.eos_id]]).shape[1]

    def embed(self, texts: Sequence[str], *, question: bool = False) -> Vectors:
        """See `Embedder.embed`; questions are read as passages are.

        A text longer than 512 tokens (or the model's positions) is read in pieces of that length.
        """
        longest = min(_PIECE, self._model.network.max_positions)
        pieces = []  # (text, tokens)
        for number, text in enumerate(texts):
            tokens = self._model.vocabulary.encode(text)
            cuts = range(0, len(tokens), longest)
            pieces += [(number, tokens[cut : cut + longest]) for cut in cuts]
        sums = torch.zeros(len(texts), self.width, device=self._model.network.device)
        for batch in _batches(pieces):
            states = self._states([tokens for _, tokens in batch])
            owners = [number for number, tokens in batch for _ in tokens]
            sums.index_add_(0, torch.tensor(owners, device=sums.device), states.to(sums))
        return unit(sums.cpu().numpy())

    def _states(self, rows: list[list[int]]) -> Tensor:
        """[tokens of all rows, width]: the chosen layer's state of every token, in order."""
        network = self._model.network
        counts, width = [len(row) for row in rows], max(len(row) for row in rows)
        cache = SlotCache(network.num_layers, len(rows))
        window = cache.window(0, counts, device=network.device, dtype=network.dtype)
        real = [r * width + i for r, count in enumerate(counts) for i in range(count)]
        window = replace(window, last=torch.tensor(real, device=network.device))
        padded = [row + [0] * (width - len(row)) for row in rows]
        fed = torch.tensor(padded, device=network.device)
        # The last layer comes first in what a forward gives, whether there are taps or not; one is
        # always asked for, so that an architecture whose states cannot be read says so.
        is_last = self._layer == network.num_layers
        try:
            states = network.forward(fed, cache, window, taps=(0 if is_last else self._layer,))
        except ModelError as error:
            raise ModelError(
                f"The layers of {self._model.name} cannot be read as vectors.",
                hint="Give --embedder DIR: a sentence-transformers directory.",
            ) from error
        return states[: len(real)] if is_last else states[len(real) :]


def _batches(pieces: list[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
    """Pieces of like length together, so that little is padding."""
    batch: list[tuple[int, list[int]]] = []
    for piece in sorted(pieces, key=lambda piece: len(piece[1])):
        if batch and (len(batch) + 1) * len(piece[1]) > _TOKENS:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch
