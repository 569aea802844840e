"""Whether the evidence carries an answer: a score from signs that need no training of the model.

Four signs are weighed by a logistic regression: attention of the copying heads on the relevant
sentences, before the first choice and over all; the share of the answer's words that stand in those
sentences; and the model's least sure choice. Models without copying heads have the last two. The
weights were fitted on generated worlds with the shipped model (`benchmarks/abstain.py`, which also
says how well that does on unseen ones); for another model they are a guess, and the threshold is
the user's to set.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from tether.grounding.relevance import relevant
from tether.grounding.witness import Signs
from tether.types import Json

SEEN = (0.0, 0.0, 0.0, 0.0, 0.0)
UNSEEN = (0.0, 0.0, 0.0)
"""Fitted: the constant, then a weight for each feature."""

_LEAST_SURE = -10.0
_WORD = re.compile(r"\w+")


def relevant_text(question: str, passages: Sequence[str]) -> str:
    """The sentences that speak of what is asked; whole passages where nothing is asked."""
    if not question:
        return "\n".join(passages)
    parts = (passage[s.start : s.end] for passage in passages for s in relevant(question, passage))
    return "\n".join(parts)


def features(signs: Signs, answer: Json, sentences: str, *, attentive: bool) -> tuple[float, ...]:
    """What is weighed: (looked, rested, said, sure), or (said, sure) without attention.

    Args:
        signs: Of the answer.
        answer: A text, or a JSON value, of which the texts and numbers count.
        sentences: The relevant ones.
        attentive: Whether the model has copying heads.
    """
    sure = max(signs.sure, _LEAST_SURE) / -_LEAST_SURE
    words = (said(answer, sentences), sure)
    return (signs.looked, signs.rested, *words) if attentive else words


def score(features: Sequence[float]) -> float:
    """How sure it is that the evidence carries the answer, 0 to 1."""
    constant, *weights = SEEN if len(features) == len(SEEN) - 1 else UNSEEN
    total = constant + sum(w * x for w, x in zip(weights, features, strict=True))
    return 1 / (1 + math.exp(-total))


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
