"""`knn`: what followed where the model stood as it stands now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.grounds.ground import Given
from tether.decoding.grounds.stored import Stored
from tether.decoding.options import option
from tether.grounding.evidence import INDEXED, Ids, Source
from tether.grounding.neighbours import NAME, Neighbours, StateStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tether.grounding.index.layout import Part


@dataclass(frozen=True, slots=True)
class Knn(Stored):
    """See `tether.grounding.neighbours` (kNN-LM, arXiv 1911.00172); the weight is the share."""

    name: ClassVar[str] = "knn"
    part_name: ClassVar[str] = NAME

    weight: float = option(0.25, "share of the probability; 0 changes nothing", low=0, high=0.999)
    k: int = option(1024, "neighbours, at most", low=1, high=1 << 16)
    temperature: float = option(0.1, "of the squared distances of unit vectors", low=1e-6)
    gate: float = option(-1.0, "cosine that the nearest must exceed", low=-1, high=1)
    free: bool = option(False, "speak only where free text may stand")

    def of_passages(self, given: Given, passages: Sequence[Ids]) -> Source:
        """See Stored.of_passages."""
        from tether.decoding.grounds.reading import array, states  # imports torch

        found = [array(held) for held in states(given.model, passages)]
        return self._over(StateStore.of(passages, found), 0)

    def of_part(self, given: Given, part: Part) -> Source:
        """See Stored.of_part."""
        return self._over(StateStore.load(part), INDEXED)

    def _over(self, store: StateStore, first: int) -> Source:
        return Neighbours(store, self.k, self.temperature, self.weight, self.gate, self.free, first)
