"""What a document says beside the point: other people, dates and amounts, letters around it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from tether.decoding.builtin.generator.example import Split, pick
from tether.decoding.builtin.generator.facts import Fact
from tether.decoding.builtin.generator.values import make_value
from tether.decoding.builtin.generator.wordings import generic

KIND = re.compile(r"\{(\w+)\}")
FIRST_PERSON = re.compile(r"\b(?:I am|I'm|[Mm]y name)\b")


def filled(rng: random.Random, pattern: str, split: Split) -> str:
    """The pattern with every `{kind}` as a fresh value of that kind."""
    return KIND.sub(lambda found: make_value(rng, found[1], split).text, pattern)


def rival_sentences(
    rng: random.Random, facts: Sequence[Fact], count: int, split: Split
) -> list[str]:
    """At most `count` sentences with values that nobody asks for, named unlike any fact."""
    nouns = {word for fact in facts for word in fact.noun.lower().split()}
    patterns = (pick(rng, generic().rivals, split) for _ in range(count))
    return [
        filled(rng, pattern, split)
        for pattern in patterns
        if not nouns.intersection(re.findall(r"[a-z]+", pattern))
    ]


def enveloped(rng: random.Random, text: str, split: Split) -> str:
    """The text inside a letter, a chat line or a reply; a first person stays bare, as do lines."""
    if FIRST_PERSON.search(text):
        return text
    before, _, after = pick(rng, generic().envelopes, split).partition("{text}")
    if "\n" in text and before and not before.endswith(("\n", "> ")):
        return text
    mark = "\n> " if before.endswith("> ") else "\n"
    return filled(rng, before, split) + text.replace("\n", mark) + filled(rng, after, split)
