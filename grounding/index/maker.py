"""What makes a part of an index from the passages, and how it says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tether.grounding.index.store import Passages
from tether.grounding.index.writing import Edit

Advance = Callable[[int], None]
"""Called with how much of a stage is done so far."""


class Progress(Protocol):
    """Shows how a long piece of work goes on."""

    def stage(self, what: str, total: int) -> Advance:
        """Begin a stage of `total` steps."""


class Maker(Protocol):
    """Makes one part of an index; `build.py` calls it whenever the passages change.

    Attributes:
        name: The name of the part.
    """

    name: str

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        """Put the part for `passages` into `edit`.

        Args:
            edit: The change that the part belongs to; `edit.old` has the part that held before.
            passages: The new passages.
            kept: bool [old passages], which of the old ones are in the new ones. They come first
                there, in their old order, so that old id `i` becomes `kept[:i].sum()`; the others
                are new. None where the index begins anew.
            progress: Where to say how far it is.
        """


class Silent:
    """Progress that nobody sees."""

    def stage(self, what: str, total: int) -> Advance:
        """Begin a stage."""
        return lambda done: None
