"""What an arbitrary key is about: a noun, the kind of its value, and other words for it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from tether.decoding.builtin.generator.example import Split
from tether.decoding.builtin.generator.keys import restyle
from tether.decoding.builtin.generator.names import make_name, side_of
from tether.decoding.builtin.generator.wordings import generic

KINDS = {
    "word": 4, "person": 4, "city": 3, "company": 3, "product": 3, "code": 2, "int:1:5000": 3,
    "money": 3, "date": 3, "num:0:200": 1, "phone": 1, "email": 2, "url": 1, "time": 1, "street": 1,
    "title": 1, "country": 1, "animal": 1, "plant": 1, "int:1:90": 2, "term": 2, "job": 1,
    "task": 1, "venue": 1,
    "food": 1, "list:word": 1, "list:person": 1, "list:product": 1, "list:term": 1, "list:city": 1,
    "list:int:1:90": 1, "enum": 4, "bool": 3, "object": 2, "items": 2,
}  # fmt: skip
NESTED = ("enum", "bool", "object", "items")
SIMPLE = [kind for kind in KINDS if kind not in NESTED and not kind.startswith("list:")]
TWO_WORD_SHARE = 0.25
PLAIN_KEY_SHARE = 0.6
TYPICAL_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Topic:
    """A noun and its kind; `choices` are an enum's, `source` tells flags from features."""

    noun: str
    kind: str
    choices: tuple[str, ...] = ()
    source: str = "noun"


def split_entries(entries: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`head: a, b` strings by their head."""
    pairs = (entry.rsplit(": ", 1) for entry in entries)
    return {head: tuple(rest.split(", ")) for head, rest in pairs}


@cache
def synonyms() -> dict[str, tuple[str, ...]]:
    """Other words for a word, the word itself left out."""
    groups = [entry.split(", ") for entry in generic().synonyms]
    return {w: tuple(o for o in group if o != w) for group in groups for w in group}


@cache
def endings() -> dict[str, tuple[str, ...]]:
    """Words that may follow a noun, by the kind of its value: `delivery date`."""
    return split_entries(generic().endings)


@cache
def typical_nouns(kind: str, split: Split) -> tuple[str, ...]:
    """The nouns of the split's side whose value is mostly of this kind."""
    nouns = split_entries(generic().typical).get(kind, ())
    return tuple(noun for noun in nouns if side_of(noun) == split.entities)


@cache
def choice_sets() -> tuple[Topic, ...]:
    """Enums made of ordinary words."""
    sets = split_entries(generic().choice_sets)
    return tuple(Topic(noun, "enum", choices) for noun, choices in sets.items())


@cache
def nouns_of(split: Split) -> tuple[str, ...]:
    """The ordinary nouns of the split's side."""
    return tuple(noun for noun in generic().misc_nouns if side_of(noun) == split.entities)


def arbitrary_noun(rng: random.Random, split: Split) -> str:
    """An ordinary noun of the split's side, some with an adjective, one in ten invented."""
    if rng.random() < 0.1:
        return make_name(rng, "word", split.entities).lower()
    noun = rng.choice(nouns_of(split))
    if rng.random() < TWO_WORD_SHARE:
        return f"{rng.choice(generic().adjectives)} {noun}"
    return noun


def arbitrary_topic(rng: random.Random, split: Split) -> Topic:
    """A topic of any kind."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    roll = rng.random()
    if kind == "enum" and roll < 0.75:
        return rng.choice(choice_sets())
    if kind == "bool" and roll < 0.85:
        if roll < 0.5:
            return Topic(rng.choice(generic().flags), kind, source="flag")
        return Topic(rng.choice(generic().features), kind, source="feature")
    return Topic(noun_for(rng, kind, split), kind)


def noun_for(rng: random.Random, kind: str, split: Split) -> str:
    """A noun for a value of this kind: often one that suits it, else any."""
    nouns = typical_nouns(kind, split)
    if not nouns or rng.random() >= TYPICAL_SHARE:
        return arbitrary_noun(rng, split)
    noun = rng.choice(nouns)
    if rng.random() < TWO_WORD_SHARE / 2 and " " not in noun:
        return f"{rng.choice(generic().adjectives)} {noun}"
    return noun


def meanings(text: str) -> set[str]:
    """The words of a noun, each with its synonyms."""
    words = text.replace("_", " ").lower().split()
    return {other for word in words for other in (word, *synonyms().get(word, ()))}


def clash(noun: str, other: str) -> bool:
    """True when one noun could be taken for the other: `driver` and `new driver`."""
    one, two = meanings(noun), meanings(other)
    return one <= two or two <= one


def other_name(rng: random.Random, topic: Topic) -> str:
    """Another way to name the topic: with an ending for its kind, or by a synonym."""
    ends = [end for end in endings().get(topic.kind.split(":")[0], ()) if end not in topic.noun]
    *front, last = topic.noun.split()
    known = synonyms().get(last, ())
    if known and (not ends or rng.random() < 0.5):
        return " ".join([*front, rng.choice(known)])
    if not ends:
        return topic.noun
    end = rng.choice(ends)
    return f"{topic.noun} {end}" if rng.random() < 0.75 else f"{end} of {topic.noun}"


def key_of(rng: random.Random, noun: str) -> str:
    """The noun as a key, mostly in snake_case."""
    return (
        noun.replace(" ", "_").replace("-", "_")
        if rng.random() < PLAIN_KEY_SHARE
        else restyle(rng, noun)
    )
