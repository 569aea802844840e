"""`grad`: steps from token to token that the evidence knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tether.decoding.grounds.ground import Given
from tether.decoding.grounds.stored import Stored
from tether.decoding.options import option
from tether.errors import EvidenceError
from tether.grounding.evidence import INDEXED, Floats, Ids, Source
from tether.grounding.transitions import LONGEST, NAME, Transitions, TransitionStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tether.decoding.models.base import Model
    from tether.grounding.index.layout import Part


@dataclass(frozen=True, slots=True)
class Grad(Stored):
    """See `tether.grounding.transitions` (GRAD, arXiv 2511.03900); the weight is in nats."""

    name: ClassVar[str] = "grad"
    part_name: ClassVar[str] = NAME

    weight: float = option(4.0, "nats that a step gains at most; 0 changes nothing", low=0)
    mode: Literal["prob", "logit", "count"] = option(
        "prob", "what a step weighs: the model's probability, its logit, or 1"
    )
    order: int = option(3, "tokens that a step goes by, at most", low=1, high=LONGEST)
    patience: float = option(2.0, "sightings at which half of the weight is given", low=0)
    gate: bool = option(True, "weigh by sightings and by the entropy of the model")
    free: bool = option(True, "speak only where free text may stand")

    def store_name(self) -> str:
        """See Stored.store_name."""
        return NAME if self.mode == "prob" else f"{NAME}:{self.mode}"

    def tokens_only(self) -> bool:
        """See Stored.tokens_only."""
        return self.mode == "count"

    def of_passages(self, given: Given, passages: Sequence[Ids]) -> Source:
        """See Stored.of_passages."""
        weights = endorsements(given.model, passages, self.mode)
        return self._over(TransitionStore.of(passages, weights), 0)

    def of_part(self, given: Given, part: Part) -> Source:
        """See Stored.of_part."""
        if part.facts["mode"] != self.mode:
            raise EvidenceError(
                f"The steps in {part.folder} are weighed by '{part.facts['mode']}', "
                f"not by '{self.mode}'.",
                hint=f"Write grad,over=index,mode={part.facts['mode']}.",
            )
        return self._over(TransitionStore.load(part.folder), INDEXED)

    def _over(self, store: TransitionStore, first: int) -> Source:
        return Transitions(
            store, self.weight, self.patience, self.order, self.gate, self.free, first
        )


def endorsements(
    model: Model, passages: Sequence[Ids], mode: str, *, keep: bool = True
) -> list[Floats]:
    """What every step of some passages weighs, float32 [n - 1] each.

    Args:
        model: Reads them, unless the mode is "count".
        passages: int64 [n] each.
        mode: See `Grad`.
        keep: Remember what was read, for other methods.
    """
    if mode == "count":
        return [np.ones(max(len(tokens) - 1, 0), np.float32) for tokens in passages]
    from tether.decoding.grounds.reading import endorsed, read_anew, states  # imports torch

    found = (states if keep else read_anew)(model, passages)
    return [endorsed(model, *pair, mode) for pair in zip(passages, found, strict=True)]
