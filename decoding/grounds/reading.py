"""Passages read by the model for stores of evidence: states, and what it says after each token.

A passage is read alone, as text, so that what is found depends on model and passage only and can
be kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from tether.decoding.models.base import Model, Network
from tether.decoding.states import read
from tether.grounding.evidence import Floats, Ids

Made = TypeVar("Made")
_HEAD_NUMBERS = 1 << 24  # logits held at once
_KEPT = 32  # things remembered for a network
_made: WeakKeyDictionary[Network, OrderedDict[Hashable, Any]] = WeakKeyDictionary()


def once(model: Model, key: Hashable, make: Callable[[], Made]) -> Made:
    """What `make` gives, made once for a model and a key; the last 32 are remembered."""
    known = _made.setdefault(model.network, OrderedDict())
    if key not in known:
        known[key] = make()
    known.move_to_end(key)
    while len(known) > _KEPT:
        known.popitem(last=False)
    made: Made = known[key]
    return made


def states(model: Model, passages: Sequence[Ids]) -> list[Tensor]:
    """What the head reads after each token, [n, width] for each passage, on the device.

    Read once for the methods of a row that look at the same passages.
    """
    key = tuple(tuple(tokens.tolist()) for tokens in passages)
    return once(model, key, lambda: read_anew(model, passages))


def read_anew(model: Model, passages: Sequence[Ids]) -> list[Tensor]:
    """The same, not remembered."""
    parts: list[dict[int, Tensor]] = [{} for _ in passages]
    for piece, found in read(model.network, [tokens.tolist() for tokens in passages]):
        parts[piece.row][piece.first] = found
    empty = torch.empty(0)
    return [torch.cat([held[first] for first in sorted(held)] or [empty]) for held in parts]


def array(found: Tensor) -> Floats:
    """As numpy sees it, float32 (float64 where it is that)."""
    wide = found if found.dtype == torch.float64 else found.float()
    numbers: Floats = wide.cpu().numpy()
    return numbers


def endorsed(model: Model, tokens: Ids, found: Tensor, kind: str) -> Floats:
    """What the model gives every step of a passage, float32 [n - 1].

    Args:
        model: Read the passage.
        tokens: int64 [n].
        found: [n, width], see `states`.
        kind: "prob" for probabilities of the tokens that follow, "logit" for their logits.
    """
    weights = [np.zeros(0, np.float32)]
    for first, logits in _logits(model, found[: max(len(tokens) - 1, 0)]):
        said = logits.softmax(1) if kind == "prob" else logits
        following = torch.from_numpy(tokens[first + 1 : first + 1 + len(said)]).to(said.device)
        weights.append(said.gather(1, following[:, None])[:, 0].cpu().numpy())
    return np.concatenate(weights)


def best(model: Model, found: Tensor, kept: int) -> tuple[Ids, Floats]:
    """The best logits after each token, less the lowest of them, and whose they are.

    Args:
        model: Read the passage.
        found: [n, width], see `states`.
        kept: Logits kept, at most.

    Returns:
        int64 and float32 [n, kept].
    """
    ids, values = [], []
    for _, logits in _logits(model, found):
        top = logits.topk(min(kept, logits.shape[1]), dim=1)
        ids.append(top.indices.cpu().numpy())
        values.append((top.values - top.values[:, -1:]).cpu().numpy())
    return np.concatenate(ids), np.concatenate(values)


def _logits(model: Model, found: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Blocks of float32 logits [n, vocab] with the place of their first row."""
    size = max(_HEAD_NUMBERS // model.network.head_size, 1)
    for first in range(0, len(found), size):
        yield first, model.network.head(found[first : first + size]).float()
