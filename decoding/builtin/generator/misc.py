"""Facts with arbitrary noun keys, worded only by generic patterns."""

from __future__ import annotations

import random
from functools import cache

from tether.decoding.builtin.generator.example import Side, Split, pick
from tether.decoding.builtin.generator.facts import YES_NO, Fact, fill
from tether.decoding.builtin.generator.fields import Shape, base_of
from tether.decoding.builtin.generator.keys import restyle
from tether.decoding.builtin.generator.names import make_name, side_of
from tether.decoding.builtin.generator.values import make_list, make_value
from tether.decoding.builtin.generator.wordings import generic

KINDS = {
    "word": 4, "person": 4, "city": 3, "company": 3, "product": 3, "code": 2, "int:1:5000": 3,
    "money": 3, "date": 3, "num:0:200": 1, "phone": 1, "email": 2, "url": 1, "time": 1, "street": 1,
    "title": 1, "country": 1, "animal": 1, "plant": 1, "list:word": 1, "list:person": 1,
    "list:product": 1, "enum": 2, "bool": 1,
}  # fmt: skip
TWO_WORD_SHARE = 0.25


@cache
def nouns_of(side: Side) -> tuple[str, ...]:
    """The ordinary nouns of one side of the split."""
    return tuple(noun for noun in generic().misc_nouns if side_of(noun) == side)


def arbitrary_noun(rng: random.Random, split: Split) -> str:
    """An ordinary noun of the split's side, some with an adjective, one in ten invented."""
    if rng.random() < 0.1:
        return make_name(rng, "word", split.entities).lower()
    noun = rng.choice(nouns_of(split.entities))
    if rng.random() < TWO_WORD_SHARE:
        return f"{rng.choice(generic().adjectives)} {noun}"
    return noun


def misc_fact(rng: random.Random, noun: str, split: Split) -> Fact:
    """One arbitrary key with a value of any kind."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    key = noun.replace(" ", "_") if rng.random() < 0.75 else restyle(rng, noun)
    if kind == "bool":
        truth = rng.random() < 0.5
        line = rng.choice(YES_NO[truth])
        return Fact(key, Shape("bool"), [f"{noun}: {line}"], truth, noun, line)
    pattern = pick(rng, generic().patterns, split).replace("{noun}", noun)
    if kind == "enum":
        choices = [make_name(rng, "word", split.entities).lower() for _ in range(rng.randint(2, 4))]
        choice = choices[0]
        shown = tuple(sorted(set(choices)))
        text = fill(pattern, choice)
        return Fact(key, Shape("enum", choices=shown), [text], choice, noun, choice, [choice])
    if kind.startswith("list:"):
        item = kind.removeprefix("list:")
        value, shape = make_list(rng, item, split), Shape("list", item=base_of(item))
    else:
        value, shape = make_value(rng, kind, split), Shape(base_of(kind))
    return Fact(key, shape, [fill(pattern, value.text)], value.json, noun, value.text,
                [value.text])  # fmt: skip


def misc_facts(rng: random.Random, count: int, split: Split) -> list[Fact]:
    """`count` facts about different nouns, none a word of another."""
    nouns: list[str] = []
    for _ in range(count):
        noun = arbitrary_noun(rng, split)
        if not any(set(noun.split()) & set(other.split()) for other in nouns):
            nouns.append(noun)
    return [misc_fact(rng, noun, split) for noun in nouns]
