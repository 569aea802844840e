"""A watcher of one row, bound to what the row was given."""

from __future__ import annotations

import numpy as np

from tether.decoding.grounds.ground import Given
from tether.decoding.grounds.stretches import stretches
from tether.decoding.models.heads import copying_heads
from tether.errors import TetherError
from tether.grounding.witness import Witness


def witness(given: Given) -> Witness:
    """Watches the attention on the passages, where the model's copying heads can be watched."""
    passages = [_places(told.start, len(told.tokens)) for told in given.passages]
    relevant = [_places(part.start, len(part.tokens)) for part in stretches(given)]
    try:
        heads = copying_heads(given.model)
    except TetherError:  # none copies, or this architecture shows none
        heads = ()
    return Witness(passages, np.concatenate([np.arange(0), *relevant]), heads)


def _places(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count) if start >= 0 else np.arange(0)
