"""One fact of a JSON document: its sentences, its schema field, its JSON value."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tether.decoding.builtin.generator.clauses import agreed, is_plural, place
from tether.decoding.builtin.generator.example import Split, pick
from tether.decoding.builtin.generator.fields import Field, Shape, base_of
from tether.decoding.builtin.generator.keys import choose_key
from tether.decoding.builtin.generator.values import Value, join, make_list, make_value
from tether.decoding.builtin.generator.wordings import FieldTable, generic
from tether.types import Json

GENERIC_SHARE = 0.35
LINES_SHARE = 0.25
KEEP = "\0"
"""Marks a sentence that begins with a value, whose first letter must stay as it is."""
YES_NO = {True: ("yes", "true", "y", "Yes"), False: ("no", "false", "n", "No")}


@dataclass(slots=True)
class Fact:
    """Sentences may still hold `{it}`; `line` is the value alone, for forms; `rows` its items."""

    key: str
    shape: Shape
    sentences: list[str]
    json: Json
    noun: str
    line: str
    texts: list[str] = field(default_factory=list)
    origin: str = ""
    rows: list[str] = field(default_factory=list)

    def as_field(self, *, optional: bool = False, nullable: bool = False) -> Field:
        """The schema field that asks for this fact."""
        return Field(self.key, self.shape, optional, nullable)


def fill(sentence: str, text: str) -> str:
    """The sentence with `{v}` as `text`; KEEP in front where the value comes first."""
    return (KEEP if sentence.startswith("{v}") else "") + place(sentence, "{v}", text)


def distinct(facts: Sequence[Fact]) -> list[Fact]:
    """The facts without those that repeat a key or a value of an earlier one."""
    kept: list[Fact] = []
    keys: set[str] = set()
    texts: set[str] = set()
    for fact in facts:
        if fact.key.lower() not in keys and not texts.intersection(fact.texts):
            kept.append(fact)
            keys.add(fact.key.lower())
            texts.update(fact.texts)
    return kept


def named(pattern: str, noun: str) -> str:
    """A generic pattern with its noun in place, its verb in the plural where the noun is."""
    return place(agreed(pattern) if is_plural(noun) else pattern, "{noun}", noun)


def listed(rng: random.Random, noun: str, rows: Sequence[str]) -> str:
    """A heading and one line for each row."""
    mark = rng.choice(["- ", "- ", "* ", "• ", ""])
    return f"{noun}:\n" + "\n".join(mark + row for row in rows) + "\n"


def noun_of(rng: random.Random, table: FieldTable) -> str:
    """A word for the field: one of its nouns, else its key spelled as words."""
    return rng.choice(table.nouns) if table.nouns else table.key.replace("_", " ")


def sentence_of(rng: random.Random, table: FieldTable, noun: str, split: Split) -> str:
    """A wording of the field with `{v}` still open: 35 % are generic around its noun."""
    if not table.wordings or (table.nouns and rng.random() < GENERIC_SHARE):
        return named(pick(rng, generic().patterns, split), noun)
    return pick(rng, table.wordings, split)


def simple_fact(
    rng: random.Random, table: FieldTable, split: Split, value: Value | None = None
) -> Fact:
    """A fact whose value is one name, number, date, or a list of them."""
    if table.kind.startswith("list:"):
        return list_fact(rng, choose_key(rng, table), noun_of(rng, table), table, split)
    value, shape = value or make_value(rng, table.kind, split), Shape(base_of(table.kind))
    noun = noun_of(rng, table)
    text = fill(sentence_of(rng, table, noun, split), value.text)
    key = choose_key(rng, table)
    return Fact(key, shape, [text], value.json, noun, value.text, [value.text])


def list_fact(rng: random.Random, key: str, noun: str, table: FieldTable, split: Split) -> Fact:
    """A fact whose value is a list, in running text or line by line."""
    kind = table.kind.removeprefix("list:")
    values = make_list(rng, kind, split)
    rows = [value.text for value in values]
    line = join(rng, rows)
    text = listed(rng, noun, rows)
    if rng.random() >= LINES_SHARE:
        text = fill(sentence_of(rng, table, noun, split), line)
    json: list[Json] = [value.json for value in values]
    return Fact(key, Shape("list", item=base_of(kind)), [text], json, noun, line, [line], rows=rows)


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
    sentence = listed(rng, noun, texts)
    if rng.random() >= LINES_SHARE:
        sentence = fill(sentence_of(rng, table, noun, split), line)
    return Fact(choose_key(rng, table), Shape("items", parts=inner), [sentence], rows, noun, line,
                seen, rows=texts)  # fmt: skip


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
