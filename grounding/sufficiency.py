"""Whether the evidence carries an answer: a score from signs that need no training of the model.

No relevant sentence, no answer. Else two signs are weighed by a logistic regression: the share of
the answer's words that stand in the relevant sentences, and the model's least sure choice. The
weights were fitted on generated worlds with the shipped model (`benchmarks/abstain.py`, which also
says how well that does on unseen ones): at most one in twenty answers that the evidence does carry
falls below 0.5. Attention of the copying heads and what a copying term found add nothing to the
two. For another model the weights are a guess, and the threshold is the user's to set.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from tether.grounding.relevance import relevant
from tether.types import Json

CONSTANT, SAID, SURE = -3.401, 4.995, 1.594
"""Fitted; `sure` is 0 at probability 1 and -1 at ten nats below or less."""

_LEAST_SURE = -10.0
_WORD = re.compile(r"\w+")


def relevant_text(question: str, passages: Sequence[str]) -> str:
    """The sentences that speak of what is asked; whole passages where nothing is asked."""
    if not question:
        return "\n".join(passages)
    found = zip(passages, relevant(question, passages), strict=True)
    return "\n".join(passage[s.start : s.end] for passage, spoken in found for s in spoken)


def signs(answer: Json, sentences: str, least: float) -> tuple[float, float]:
    """What is weighed: (said, sure).

    Args:
        answer: A text, or a JSON value, of which the texts and numbers count.
        sentences: The relevant ones.
        least: The least log-probability of a token that the model chose.
    """
    return said(answer, sentences), max(least, _LEAST_SURE) / -_LEAST_SURE


def score(said: float, sure: float) -> float:
    """How sure it is that the evidence carries the answer, 0 to 1."""
    return 1 / (1 + math.exp(-(CONSTANT + SAID * said + SURE * sure)))


def said(answer: Json, sentences: str) -> float:
    """The share of the answer's words that stand in these sentences; 1 where it has no words."""
    known = {word.casefold() for word in _WORD.findall(sentences)}
    words = [word.casefold() for text in _texts(answer) for word in _WORD.findall(text)]
    return sum(word in known for word in words) / len(words) if words else 1.0


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif not (value is None or isinstance(value, bool)):
        yield str(value)
