"""`kid`: probability moves to the names and words of the sentences that speak of what is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from tether.decoding.grounds.ground import Given, Ground
from tether.decoding.grounds.stretches import stretches
from tether.decoding.options import option
from tether.grammars.vocabulary import Vocabulary
from tether.grounding.evidence import Source
from tether.grounding.knowledge import Knowledge, Terms, lookup, phrases

_WORD = re.compile(r"\w+")
_PUBLISHED_STEPS = 3


@dataclass(frozen=True, slots=True)
class Kid(Ground):
    """See `tether.grounding.knowledge`; the weight is the size of a step."""

    name: ClassVar[str] = "kid"

    weight: float = option(1.0, "size of a step (eta); 0 changes nothing", low=0)
    steps: int = option(0, "gradient steps; 0 is 1, or 3 in the faithful form", low=0)
    faithful: bool = option(
        False, "nudge the model's keys and values: a forward and a backward more for each step"
    )

    def bind(self, given: Given) -> Source | None:
        """See Ground.bind."""
        tokens = given.model.vocabulary.tokens
        asked = frozenset(word.casefold() for word in _WORD.findall(given.question))
        origins: dict[bytes, int] = {}
        for stretch in stretches(given):
            text = b"".join(tokens[token] for token in stretch.tokens).decode("utf-8", "replace")
            for phrase in phrases(text, asked):
                origins.setdefault(phrase.encode(), stretch.passage)
        if not origins:
            return None
        steps = self.steps or (_PUBLISHED_STEPS if self.faithful else 1)
        terms = Terms(origins, tokens, _lookup(given.model.vocabulary))
        return Knowledge(terms, self.weight, steps, self.faithful)


@lru_cache(maxsize=8)
def _lookup(vocabulary: Vocabulary) -> dict[bytes, int]:
    return lookup(vocabulary.tokens)
