"""`copy`: a share of the probability is copied from the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tether.decoding.grounds.ground import Given, Ground, word_tokens
from tether.decoding.grounds.stretches import stretches
from tether.decoding.options import option
from tether.grounding.copying import Copying, Stretches
from tether.grounding.evidence import Source

if TYPE_CHECKING:
    from tether.decoding.models.base import Head


@dataclass(frozen=True, slots=True)
class Copy(Ground):
    """Words come from the sentences that speak of what is asked.

    A share of the words' probability goes to the words of these sentences that the model's copying
    heads look at, or (`by=ngram`) to all alike; then to what follows in the copy. The model says
    when to stop. Where no sentence speaks of it, nothing changes.
    """

    name: ClassVar[str] = "copy"

    weight: float = option(0.99, "share of the probability; 0 changes nothing", low=0, high=0.999)
    by: Literal["attention", "ngram"] = option(
        "attention", "what says where the row stands in the evidence"
    )
    gate: float = option(
        0.02, "attention on the evidence below which it does not weigh", low=0, high=1
    )
    trust: float = option(0.25, "power of the model's own probability in the copy", low=0, high=1)

    def bind(self, given: Given) -> Source | None:
        """See Ground.bind."""
        found = stretches(given)
        if not found:
            return None
        words, joins = word_tokens(given.model.vocabulary)
        heads: tuple[Head, ...] = ()
        if self.by == "attention":
            from tether.decoding.models.heads import copying_heads  # imports torch

            heads = copying_heads(given.model)
        evidence = Stretches.of(found)
        return Copying(evidence, words, joins, self.weight, heads, self.gate, self.trust)
