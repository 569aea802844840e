"""`rapid`: what the model says after the relevant sentences alone pulls what it says after all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tether.decoding.grounds.ground import Given, Ground
from tether.decoding.options import option
from tether.decoding.terms.term import Variant
from tether.grounding.evidence import Source
from tether.grounding.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Rapid(Ground):
    """See `tether.grounding.transfer`; the weight is the strength (eta)."""

    name: ClassVar[str] = "rapid"
    variants: ClassVar[frozenset[Variant]] = frozenset({"short"})

    weight: float = option(10.0, "strength (eta); 0 changes nothing", low=0)
    head: float = option(0.1, "pull tokens of this share of the best probability", low=0, high=1)

    def bind(self, given: Given) -> Source:
        """See Ground.bind."""
        return Transfer(self.weight, self.head)
