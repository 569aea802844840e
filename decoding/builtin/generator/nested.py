"""Lists, objects and lists of objects under arbitrary keys."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tether.decoding.builtin.generator.clauses import place
from tether.decoding.builtin.generator.example import Split, pick
from tether.decoding.builtin.generator.facts import (
    KEEP,
    LINES_SHARE,
    Fact,
    fill,
    listed,
    named,
)
from tether.decoding.builtin.generator.fields import Field, Shape, base_of
from tether.decoding.builtin.generator.topics import Topic, clash, key_of, noun_for
from tether.decoding.builtin.generator.values import Value, join, make_list, make_value
from tether.decoding.builtin.generator.wordings import generic
from tether.types import Json

PART_KINDS = ("person", "city", "term", "code", "int:1:90", "money", "date", "time", "product")
UNLABELLED_SHARE = 0.35
HEADED_SHARE = 0.2


def plural(noun: str) -> str:
    """The plural of a regular noun, or of children."""
    if noun.endswith("children"):
        return noun
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun if noun.endswith("s") and not noun.endswith("ss") else noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def part_topics(rng: random.Random, noun: str, split: Split) -> list[Topic]:
    """Two or three simple topics of different kinds, none like `noun` or like another."""
    topics: list[Topic] = []
    for kind in rng.sample(PART_KINDS, rng.choice([2, 2, 3])):
        name = noun_for(rng, kind, split)
        while any(clash(name, other) for other in (noun, *(topic.noun for topic in topics))):
            name = noun_for(rng, kind, split)
        topics.append(Topic(name, kind))
    return topics


def list_fact(rng: random.Random, topic: Topic, split: Split) -> Fact:
    """Several values of one kind."""
    kind, noun = topic.kind.removeprefix("list:"), plural(topic.noun)
    values = make_list(rng, kind, split)
    rows = [value.text for value in values]
    line = join(rng, rows)
    text = sentence_of(rng, noun, rows, line, split)
    key = key_of(rng, noun if rng.random() < 0.8 else topic.noun)
    json: list[Json] = [value.json for value in values]
    return Fact(key, Shape("list", item=base_of(kind)), [text], json, noun, line, [line], rows=rows)


def sentence_of(rng: random.Random, noun: str, rows: Sequence[str], line: str, split: Split) -> str:
    """The rows in running text, or one below the other."""
    if rng.random() < LINES_SHARE:
        return listed(rng, noun, rows)
    return fill(named(pick(rng, generic().many_patterns, split), noun), line)


def labelled(rng: random.Random, names: Sequence[str], values: Sequence[str]) -> str:
    """`fee 5 EUR, seat 12`: each value with its name."""
    sign, space = rng.choice([" ", ": ", " = "]), rng.choice([", ", ", ", "; "])
    return space.join(f"{name}{sign}{value}" for name, value in zip(names, values, strict=True))


def object_fact(rng: random.Random, topic: Topic, split: Split) -> Fact:
    """A thing with two or three parts."""
    parts = part_topics(rng, topic.noun, split)
    values = [make_value(rng, part.kind, split) for part in parts]
    nouns, texts = [part.noun for part in parts], [value.text for value in values]
    line = labelled(rng, nouns, texts)
    sentences = [place(named(pick(rng, generic().object_patterns, split), topic.noun), "{v}", line)]
    if rng.random() < 0.5:
        pattern = pick(rng, generic().part_patterns, split)
        worded = [place(named(pattern, topic.noun), "{part}", noun) for noun in nouns]
        sentences = [fill(text, value) for text, value in zip(worded, texts, strict=True)]
    keys = [key_of(rng, noun) for noun in nouns]
    inner = tuple(
        Field(key, Shape(base_of(part.kind))) for key, part in zip(keys, parts, strict=True)
    )
    answer: dict[str, Json] = {k: v.json for k, v in zip(keys, values, strict=True)}
    return Fact(key_of(rng, topic.noun), Shape("object", parts=inner), sentences, answer,
                topic.noun, line, texts)  # fmt: skip


def tell_apart(parts: Sequence[Topic]) -> bool:
    """True when a reader knows which value is which without names: one number, date and text."""
    bases = [base_of(part.kind) for part in parts]
    return len({"num" if base == "int" else base for base in bases}) == len(bases)


def row_texts(
    rng: random.Random, parts: Sequence[Topic], rows: Sequence[Sequence[Value]]
) -> list[str]:
    """Each row as a line: labelled, or with the first value in front of the rest."""
    texts = [[value.text for value in row] for row in rows]
    if rng.random() >= UNLABELLED_SHARE or not tell_apart(parts):
        nouns, sign = [part.noun for part in parts], rng.choice([" ", ": ", " = "])
        space = rng.choice([", ", ", ", " - "])
        return [
            space.join(f"{n}{sign}{t}" for n, t in zip(nouns, row, strict=True)) for row in texts
        ]
    space = rng.choice([" - ", " | "])
    if rng.random() < 0.5:
        return [space.join(row) for row in texts]
    return [f"{first} ({', '.join(rest)})" for first, *rest in texts]


def items_fact(rng: random.Random, topic: Topic, split: Split) -> Fact:
    """Two to four things of two or three parts each."""
    parts, noun = part_topics(rng, topic.noun, split), plural(topic.noun)
    count = rng.choice([2, 2, 3, 3, 4])
    rows = [[make_value(rng, part.kind, split) for part in parts] for _ in range(count)]
    nouns = [part.noun for part in parts]
    keys = [key_of(rng, name) for name in nouns]
    texts = row_texts(rng, parts, rows)
    line = "; ".join(texts)
    if rng.random() < HEADED_SHARE:
        lines = [" | ".join(nouns), *(" | ".join(value.text for value in row) for row in rows)]
        sentence = f"{KEEP}{noun}:\n" + "\n".join(lines) + "\n"
    else:
        sentence = sentence_of(rng, noun, texts, line, split)
    inner = tuple(Field(k, Shape(base_of(p.kind))) for k, p in zip(keys, parts, strict=True))
    answer: list[Json] = [
        {key: value.json for key, value in zip(keys, row, strict=True)} for row in rows
    ]
    return Fact(key_of(rng, noun), Shape("items", parts=inner), [sentence], answer, noun, line,
                [value.text for row in rows for value in row], rows=texts)  # fmt: skip


def nested_fact(rng: random.Random, topic: Topic, split: Split) -> Fact:
    """The fact of a list, an object or a list of objects."""
    if topic.kind == "object":
        return object_fact(rng, topic, split)
    return items_fact(rng, topic, split) if topic.kind == "items" else list_fact(rng, topic, split)
