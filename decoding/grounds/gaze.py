"""A watcher of one row's attention, bound to what the row was given."""

from __future__ import annotations

import numpy as np

from tether.decoding.grounds.ground import Given
from tether.grounding.witness import Gaze


def gaze(given: Given) -> Gaze:
    """Watches the attention of the model's copying heads on each passage.

    Raises:
        UsageError: None of the model's heads copies.
        ModelError: Heads of this architecture cannot be watched.
    """
    ends = [(told.start, told.start + len(told.tokens)) for told in given.passages]
    places = [np.arange(start, end) if start >= 0 else np.arange(0) for start, end in ends]
    from tether.decoding.models.heads import copying_heads  # imports torch

    return Gaze(places, copying_heads(given.model))
