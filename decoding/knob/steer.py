"""Sets one coordinate of what a layer hands on, for the rows that ask for it.

After the steering code of Minder et al. 2024 (arXiv 2411.07404): h' = h + (v - u.h) u.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tether.grounding.evidence import Clues, Moment, Need

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Steer:
    """What one row asks for.

    Attributes:
        layer: After so many layers.
        direction: float [width], of length 1.
        value: The coordinate along it.
    """

    layer: int
    direction: Tensor
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Turning:
    """A source of evidence that turns the model instead of telling tokens; see `Source`."""

    steer: Steer
    needs: frozenset[Need] = frozenset()
    heads: tuple[tuple[int, int], ...] = ()

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """Nothing at a single step: the logits are turned already."""
        return [None] * len(moments)


class Steering:
    """The steers of one forward; see `tether.decoding.models.base.Edit`.

    Every position is turned from which an output token is chosen, whatever forward it runs in: so
    the same text is read alike, one token at a time or at once.

    Args:
        steers: One for each row of the forward, None where it asks for nothing.
        since: The first position of each row that is turned.
    """

    def __init__(self, steers: Sequence[Steer | None], since: Sequence[int]) -> None:
        self._layers = {steer.layer for steer in steers if steer is not None}
        self._asked = [
            (row, steer, first)
            for row, (steer, first) in enumerate(zip(steers, since, strict=True))
            if steer is not None
        ]

    def __call__(self, layer: int, hidden: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """See Edit; rows that are not turned come out bit for bit as they were."""
        if layer not in self._layers:
            return hidden
        for row, steer, first in self._asked:
            if steer.layer == layer:
                at = ((rows == row) & (columns >= first)).nonzero()[:, 0]
                hidden = turned(hidden, at, steer.direction.to(hidden), steer.value)
        return hidden


def turned(hidden: Tensor, at: Tensor, direction: Tensor, value: float | Tensor) -> Tensor:
    """The states [tokens, width] with the coordinate of some set; a copy.

    Args:
        hidden: Not changed.
        at: int64 [n], the tokens.
        direction: [width], of length 1.
        value: The coordinate, or one for each of the tokens, [n].
    """
    missing = value - hidden[at] @ direction
    return hidden.index_add(0, at, missing[:, None] * direction)
