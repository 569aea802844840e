"""`caad`: what the model says in contexts like this one, of texts one trusts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tether.decoding.grounds.ground import Given
from tether.decoding.grounds.stored import Stored
from tether.decoding.options import option
from tether.errors import UsageError
from tether.grounding.evidence import Ids, Source
from tether.grounding.neighbours import Keys
from tether.grounding.references import NAME, References, ReferenceStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tether.grounding.index.layout import Part

KEPT = 256
"""Logits kept of an entry."""


@dataclass(frozen=True, slots=True)
class Caad(Stored):
    """See `tether.grounding.references` (CAAD, now RAD, arXiv 2508.02184)."""

    name: ClassVar[str] = "caad"
    part_name: ClassVar[str] = NAME

    weight: float = option(0.5, "strength alpha, at most 1 but for linear", low=0)
    fusion: Literal["linear", "convex", "mixture"] = option(
        "linear", "what is added: logits, a share of logits, or a share of the probability"
    )
    by: Literal["similarity", "mean"] = option("similarity", "what weighs the contexts")
    k: int = option(2048, "contexts looked at, at most", low=1, high=1 << 16)
    least: float = option(0.7, "cosine that a context must exceed (tau)", low=-1, high=2)
    free: bool = option(False, "speak only where free text may stand")

    def of_passages(self, given: Given, passages: Sequence[Ids]) -> Source:
        """See Stored.of_passages."""
        from tether.decoding.grounds.reading import array, best, states  # imports torch

        found = [held for held in states(given.model, passages) if len(held)]
        ids, values = zip(*(best(given.model, held, KEPT) for held in found), strict=True)
        keys = Keys(np.concatenate([array(held) for held in found]))
        store = ReferenceStore(keys, np.concatenate(ids).astype(np.int32), np.concatenate(values))
        return self._over(store, given)

    def of_part(self, given: Given, part: Part) -> Source:
        """See Stored.of_part."""
        return self._over(ReferenceStore.load(part), given)

    def _over(self, store: ReferenceStore, given: Given) -> Source:
        if self.fusion != "linear" and self.weight > 1:
            raise UsageError(
                f"caad: {self.weight:g} is no share.", hint="Use at most 1, or fusion=linear."
            )
        return References(
            store,
            self.weight,
            self.fusion,
            self.k,
            self.least,
            self.by == "similarity",
            self.free,
            given.model.vocabulary.size,
        )
