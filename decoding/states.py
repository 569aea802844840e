"""What a network holds after every token of some rows: forwards side by side, nothing kept.

The one place where a model reads texts it does not go on with: for vectors, stores of evidence and
training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.models.base import Network

_TOKENS = 2048  # fed at once, padding included
_PIECE = 512  # the longest run of tokens that is read as one


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a row's tokens that is read as one.

    Attributes:
        row: The number of the row.
        first: The place of its first token there.
        tokens: At most 512, or the network's positions.
    """

    row: int
    first: int
    tokens: tuple[int, ...]


def read(
    network: Network, rows: Sequence[Sequence[int]], layer: int | None = None
) -> Iterator[tuple[Piece, Tensor]]:
    """Every piece of the rows with its states [tokens, width], short pieces first.

    Args:
        network: Reads them.
        rows: Token ids; an empty row has no piece.
        layer: Whose states, under the last norm: 0 stands before the first layer. None is what
            the head reads.

    Raises:
        ModelError: A layer is named, and this architecture's layers cannot be read.
    """
    longest = min(_PIECE, network.max_positions)
    pieces = [
        Piece(number, first, tuple(row[first : first + longest]))
        for number, row in enumerate(rows)
        for first in range(0, len(row), longest)
    ]
    for batch in _batches(pieces):
        states = _states(network, [piece.tokens for piece in batch], layer)
        parts = torch.split(states, [len(piece.tokens) for piece in batch])
        yield from zip(batch, parts, strict=True)


def _batches(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Pieces of like length together, so that little is padding."""
    batch: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: len(piece.tokens)):
        if batch and (len(batch) + 1) * len(piece.tokens) > _TOKENS:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _states(network: Network, rows: list[tuple[int, ...]], layer: int | None) -> Tensor:
    """[tokens of all rows, width], in order."""
    counts, width = [len(row) for row in rows], max(len(row) for row in rows)
    cache = SlotCache(network.num_layers, len(rows))
    window = cache.window(0, counts, device=network.device, dtype=network.dtype)
    real = tuple((row, place) for row, count in enumerate(counts) for place in range(count))
    window = replace(window, asked=real)
    padded = [[*row, *[0] * (width - len(row))] for row in rows]
    fed = torch.tensor(padded, device=network.device)
    if layer is None:
        return network.forward(fed, cache, window)
    # The last layer comes first in what a forward gives, whether there are taps or not; one is
    # always asked for, so that an architecture whose states cannot be read says so.
    is_last = layer == network.num_layers
    found = network.forward(fed, cache, window, taps=(0 if is_last else layer,))
    return found[: len(real)] if is_last else found[len(real) :]
