"""`caad`: what the model says in contexts like this one, of texts one trusts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tether.decoding.grounds.ground import Given
from tether.decoding.grounds.stored import Stored
from tether.decoding.grounds.windows import Windows, of_given
from tether.decoding.options import option
from tether.errors import EvidenceError, UsageError
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
    keys: Literal["states", "embedder"] = option(
        "states", "what contexts are compared by: the model's states, or the index's embedder"
    )
    k: int = option(2048, "contexts looked at, at most", low=1, high=1 << 16)
    least: float = option(0.7, "cosine that a context must exceed (tau)", low=-1, high=2)
    free: bool = option(False, "speak only where free text may stand")

    def store_name(self) -> str:
        """See Stored.store_name."""
        return NAME if self.keys == "states" else f"{NAME}:{self.keys}"

    def of_passages(self, given: Given, passages: Sequence[Ids]) -> Source:
        """See Stored.of_passages."""
        from tether.decoding.grounds.reading import array, best, states  # imports torch

        pairs = zip(passages, states(given.model, passages), strict=True)
        read = [(tokens, found) for tokens, found in pairs if len(tokens)]
        ids, values = zip(*(best(given.model, found, KEPT) for _, found in read), strict=True)
        windows = self._windows(given)
        keys = [windows.along(tokens) if windows else array(found) for tokens, found in read]
        store = ReferenceStore(
            Keys(np.concatenate(keys)), np.concatenate(ids).astype(np.int32), np.concatenate(values)
        )
        return self._over(store, given)

    def of_part(self, given: Given, part: Part) -> Source:
        """See Stored.of_part."""
        if part.facts["keys"] != self.keys:
            raise EvidenceError(
                f"The contexts in {part.folder} are compared by '{part.facts['keys']}', "
                f"not by '{self.keys}'.",
                hint=f"Write caad,over=index,keys={part.facts['keys']}.",
            )
        return self._over(ReferenceStore.load(part), given)

    def _windows(self, given: Given) -> Windows | None:
        return of_given(given) if self.keys == "embedder" else None

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
            self._windows(given),
        )
