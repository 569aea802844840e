"""One fact of a JSON document: its sentences, its schema field, its JSON value."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tether.decoding.builtin.generator.example import Split, pick
from tether.decoding.builtin.generator.fields import Field, Shape, base_of
from tether.decoding.builtin.generator.keys import choose_key
from tether.decoding.builtin.generator.values import Value, join, make_list, make_value
from tether.decoding.builtin.generator.wordings import FieldTable, generic
from tether.types import Json

GENERIC_SHARE = 0.35
KEEP = "\0"
"""Marks a sentence that begins with a value, whose first letter must stay as it is."""
YES_NO = {True: ("yes", "true", "y"), False: ("no", "false", "n")}


@dataclass(slots=True)
class Fact:
    """Sentences may still hold `{it}`; `line` is the value alone, for forms."""

    key: str
    shape: Shape
    sentences: list[str]
    json: Json
    noun: str
    line: str
    texts: list[str] = field(default_factory=list)
    origin: str = ""

    def as_field(self, *, optional: bool = False, nullable: bool = False) -> Field:
        """The schema field that asks for this fact."""
        return Field(self.key, self.shape, optional, nullable)


def fill(sentence: str, text: str) -> str:
    """The sentence with `{v}` as `text`; KEEP in front where the value comes first."""
    return (KEEP if sentence.startswith("{v}") else "") + sentence.replace("{v}", text)


def noun_of(rng: random.Random, table: FieldTable) -> str:
    """A word for the field: one of its nouns, else its key spelled as words."""
    return rng.choice(table.nouns) if table.nouns else table.key.replace("_", " ")


def sentence_of(rng: random.Random, table: FieldTable, noun: str, split: Split) -> str:
    """A wording of the field with `{v}` still open: 35 % are generic around its noun."""
    if not table.wordings or (table.nouns and rng.random() < GENERIC_SHARE):
        return pick(rng, generic().patterns, split).replace("{noun}", noun)
    return pick(rng, table.wordings, split)


def simple_fact(
    rng: random.Random, table: FieldTable, split: Split, value: Value | None = None
) -> Fact:
    """A fact whose value is one name, number, date, or a list of them."""
    if table.kind.startswith("list:"):
        item = table.kind.removeprefix("list:")
        value, shape = make_list(rng, item, split), Shape("list", item=base_of(item))
    else:
        value, shape = value or make_value(rng, table.kind, split), Shape(base_of(table.kind))
    noun = noun_of(rng, table)
    text = fill(sentence_of(rng, table, noun, split), value.text)
    key = choose_key(rng, table)
    return Fact(key, shape, [text], value.json, noun, value.text, [value.text])


def enum_fact(rng: random.Random, table: FieldTable, split: Split) -> Fact:
    """A fact whose value is one of the field's choices, said by one of the choice's phrases."""
    choice, phrases = rng.choice(table.values)
    others = [name for name, _ in table.values if name != choice]
    if rng.random() < 0.3:
        others = rng.sample(others, rng.randint(1, len(others)))
    shown = [choice, *others]
    rng.shuffle(shown)
    noun, phrase = noun_of(rng, table), pick(rng, phrases, split)
    text = fill(sentence_of(rng, table, noun, split), phrase)
    shape = Shape("enum", choices=tuple(shown))
    return Fact(choose_key(rng, table), shape, [text], choice, noun, phrase)


def bool_fact(rng: random.Random, table: FieldTable, split: Split) -> Fact:
    """A true or false fact, said by a whole sentence."""
    truth = rng.random() < 0.5
    sentences = dict(table.values)["true" if truth else "false"]
    text = pick(rng, sentences, split)
    line = rng.choice(YES_NO[truth])
    return Fact(choose_key(rng, table), Shape("bool"), [text], truth, noun_of(rng, table), line)


def items_fact(rng: random.Random, table: FieldTable, split: Split) -> Fact:
    """A list of one to four things with their parts, all in the same manner of writing."""
    manner = pick(rng, table.item_wordings, split)
    parts = [part for part in table.parts if "{" + part.key + "}" in manner]
    asked = parts if rng.random() < 0.8 else rng.sample(parts, rng.randint(1, len(parts)))
    keys = {part.key: choose_key(rng, part) for part in asked}
    texts: list[str] = []
    rows: list[Json] = []
    seen: list[str] = []
    for _ in range(rng.choice([1, 2, 2, 3, 3, 4])):
        text, row = manner, dict[str, Json]()
        for part in parts:
            value = make_value(rng, part.kind, split)
            seen.append(value.text)
            text = text.replace("{" + part.key + "}", value.text)
            if part.key in keys:
                row[keys[part.key]] = value.json
        texts.append(text)
        rows.append({keys[part.key]: row[keys[part.key]] for part in asked})
    inner = tuple(Field(keys[part.key], Shape(base_of(part.kind))) for part in asked)
    line, noun = join(rng, texts), noun_of(rng, table)
    sentence = fill(sentence_of(rng, table, noun, split), line)
    return Fact(choose_key(rng, table), Shape("items", parts=inner), [sentence], rows, noun, line,
                seen)  # fmt: skip


def object_fact(rng: random.Random, table: FieldTable, split: Split) -> Fact:
    """A nested object: one sentence for each part that is said."""
    parts = rng.sample(table.parts, rng.randint(1, len(table.parts)))
    inner = [make_fact(rng, part, split) for part in parts]
    asked = inner if rng.random() < 0.8 else rng.sample(inner, rng.randint(1, len(inner)))
    asked = [fact for i, fact in enumerate(asked) if fact.key not in [f.key for f in asked[:i]]]
    shape = Shape("object", parts=tuple(fact.as_field() for fact in asked))
    sentences = [sentence for fact in inner for sentence in fact.sentences]
    line = ", ".join(f"{fact.noun} {fact.line}" for fact in inner)
    texts = [text for fact in inner for text in fact.texts]
    value: dict[str, Json] = {fact.key: fact.json for fact in asked}
    noun = noun_of(rng, table)
    return Fact(choose_key(rng, table), shape, sentences, value, noun, line, texts)


def make_fact(
    rng: random.Random, table: FieldTable, split: Split, value: Value | None = None
) -> Fact:
    """A fact of any kind; `value` fixes a simple one."""
    if table.kind == "enum":
        fact = enum_fact(rng, table, split)
    elif table.kind == "bool":
        fact = bool_fact(rng, table, split)
    elif table.kind == "items":
        fact = items_fact(rng, table, split)
    elif table.kind == "object":
        fact = object_fact(rng, table, split)
    else:
        fact = simple_fact(rng, table, split, value)
    fact.origin = table.key
    return fact
