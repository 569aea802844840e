"""Facts with arbitrary keys, worded only by generic patterns."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tether.decoding.builtin.generator.clauses import place
from tether.decoding.builtin.generator.example import Split, pick
from tether.decoding.builtin.generator.facts import YES_NO, Fact, distinct, fill, named
from tether.decoding.builtin.generator.fields import Shape, base_of
from tether.decoding.builtin.generator.names import make_name
from tether.decoding.builtin.generator.nested import nested_fact
from tether.decoding.builtin.generator.topics import (
    SIMPLE,
    Topic,
    arbitrary_noun,
    arbitrary_topic,
    clash,
    key_of,
    meanings,
    other_name,
)
from tether.decoding.builtin.generator.values import make_value
from tether.decoding.builtin.generator.wordings import generic

OTHER_NAME_SHARE = 0.2
PAIR_SHARE = 0.25
PAIRED = ("str", "int", "num", "date", "enum")


def names_of(rng: random.Random, topic: Topic) -> tuple[str, str]:
    """The key and the noun in the text: mostly the same words, now and then not."""
    in_key, in_text = (
        other_name(rng, topic) if rng.random() < OTHER_NAME_SHARE else topic.noun for _ in range(2)
    )
    return key_of(rng, in_key), in_text


def bool_fact(rng: random.Random, topic: Topic, split: Split) -> Fact:
    """A quality that is there or not, a thing that is there or not, or a noun with yes or no."""
    truth, noun, tables = rng.random() < 0.5, topic.noun, generic()
    line = rng.choice(YES_NO[truth])
    if topic.source == "noun":
        return Fact(key_of(rng, noun), Shape("bool"), [f"{noun}: {line}"], truth, noun, line)
    if topic.source == "flag":
        patterns = tables.flag_true if truth else tables.flag_false
        words = rng.choice([noun, noun, f"is {noun}"])
    else:
        patterns = tables.feature_true if truth else tables.feature_false
        bare = noun.removeprefix("a ")
        words = rng.choice([bare, bare, f"has {bare}", f"{bare} included", f"{bare} available"])
    text = named(pick(rng, patterns, split), noun).replace("{bare}", noun.removeprefix("a "))
    return Fact(key_of(rng, words), Shape("bool"), [text], truth, noun.removeprefix("a "), line)


def enum_fact(rng: random.Random, topic: Topic, split: Split) -> Fact:
    """One of a few words, the topic's own or invented ones."""
    choices = list(topic.choices)
    if not choices:
        kinds = [make_name(rng, "word", split.entities).lower() for _ in range(rng.randint(2, 4))]
        choices = sorted(set(kinds))
    line = rng.choice(choices)
    shown = [choice.replace(" ", "_") for choice in choices]
    rng.shuffle(shown)
    key, noun = names_of(rng, topic)
    text = fill(named(pick(rng, generic().patterns, split), noun), line)
    answer = line.replace(" ", "_")
    return Fact(key, Shape("enum", choices=tuple(shown)), [text], answer, noun, line, [line])


def plain_fact(rng: random.Random, topic: Topic, split: Split) -> Fact:
    """One value under one name."""
    value = make_value(rng, topic.kind, split)
    key, noun = names_of(rng, topic)
    text = fill(named(pick(rng, generic().patterns, split), noun), value.text)
    return Fact(key, Shape(base_of(topic.kind)), [text], value.json, noun, value.text,
                [value.text])  # fmt: skip


def misc_fact(rng: random.Random, topic: Topic, split: Split) -> Fact:
    """The fact of a topic of any kind."""
    if topic.kind == "bool":
        return bool_fact(rng, topic, split)
    if topic.kind == "enum":
        return enum_fact(rng, topic, split)
    make = plain_fact if topic.kind in SIMPLE else nested_fact
    return make(rng, topic, split)


def paired(rng: random.Random, facts: Sequence[Fact], split: Split) -> None:
    """Puts some neighbours into one sentence, in place."""
    for one, two in zip(facts[::2], facts[1::2], strict=False):
        if not (one.shape.base in PAIRED and two.shape.base in PAIRED):
            continue
        if rng.random() < PAIR_SHARE:
            pattern = pick(rng, generic().pairs, split)
            for slot, text in zip(("{noun}", "{noun2}"), (one.noun, two.noun), strict=True):
                pattern = place(pattern, slot, text)
            one.sentences = [fill(pattern, one.line).replace("{v2}", two.line)]
            two.sentences = []


def misc_facts(rng: random.Random, count: int, split: Split) -> list[Fact]:
    """`count` facts or fewer about different nouns, none to be taken for another."""
    topics: list[Topic] = []
    for _ in range(count):
        topic = arbitrary_topic(rng, split)
        if not any(clash(topic.noun, other.noun) for other in topics):
            topics.append(topic)
    facts = distinct([misc_fact(rng, topic, split) for topic in topics])
    paired(rng, facts, split)
    return facts


def absent_fact(rng: random.Random, facts: Sequence[Fact], split: Split) -> Fact | None:
    """A fact that the text does not state, unlike any that it does."""
    topic = Topic(arbitrary_noun(rng, split), rng.choice(SIMPLE))
    said = {word for fact in facts for word in meanings(f"{fact.noun} {fact.line}")}
    return None if meanings(topic.noun) & said else plain_fact(rng, topic, split)
