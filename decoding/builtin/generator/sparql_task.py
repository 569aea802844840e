"""Question -> SPARQL over the vocabulary of docs/examples/company.ttl, and arbitrary predicates."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

from tether.decoding.builtin.generator.example import TRAIN, Example, Split, pick
from tether.decoding.builtin.generator.fields import base_of
from tether.decoding.builtin.generator.misc import arbitrary_noun
from tether.decoding.builtin.generator.names import make_name, side_of, syllables
from tether.decoding.builtin.generator.values import tidy
from tether.decoding.builtin.generator.wordings import read_table, strings

Labels = Callable[[random.Random, str, Split], str]
"""Draws a label of a class."""

FORMS = {"forward": 40, "inverse": 20, "count": 10, "shape": 30}
GENERIC_SHARE = 0.2
ARBITRARY_SHARE = 0.15
ARBITRARY_KINDS = ["person", "company", "city", "product", "country", "title", "animal", "word"]
NO_GENERIC = {"headOf"}
"""Relations whose noun reads the other way round: the head of a department is no headOf of it."""


@cache
def table() -> dict[str, Any]:
    """`wordings/sparql.toml` as read."""
    return read_table("sparql.toml")


def label(rng: random.Random, name: str, split: Split) -> str:
    """A label of class `name`: from its pool on the split's side, or a fresh name of its kind."""
    entry = next(entry for entry in table()["class"] if entry["key"] == name)
    pool: list[str] = [
        value for value in entry.get("values", ()) if side_of(value) == split.entities
    ]
    if pool:
        return rng.choice(pool)
    while True:
        made = make_name(rng, entry["kind"], split.entities)
        if name != "Supplier" or " " in made:
            return made


def plain_label(rng: random.Random, split: Split) -> str:
    """A label of ordinary words, such as questions are made of: `Spare Owner`, `Backup plan`."""
    first, *rest = arbitrary_noun(rng, split).split()
    words = [first, *rest, *(rng.choice(fit_nouns()) for _ in range(rng.randint(0, 1)))]
    spelled = " ".join(words)
    return spelled.title() if rng.random() < 0.7 else spelled.capitalize()


@cache
def fit_nouns() -> tuple[str, ...]:
    """Every noun of a relation."""
    return tuple(noun for entry in table()["relation"] for noun in entry["nouns"])


def strange_noun(rng: random.Random) -> str:
    """Up to three invented words, so that no predicate can be known by heart."""
    return " ".join(syllables(rng, 1, 3) for _ in range(rng.choice([1, 2, 2, 3])))


def put(text: str, places: dict[str, str]) -> str:
    """`text` with each `{key}` replaced as it stands."""
    for key, value in places.items():
        text = text.replace("{" + key + "}", value)
    return text


def relation_question(
    rng: random.Random, form: str, split: Split, strange: float, labels: Labels
) -> tuple[str, str, list[str]]:
    """A question of one form about one relation: wording, query, labels."""
    fit = [entry for entry in table()["relation"] if entry.get(form)]
    entry = rng.choice(fit)
    generic = strings(table(), f"generic_{form}")
    use_generic = entry["key"] not in NO_GENERIC and rng.random() < GENERIC_SHARE
    wording = pick(rng, generic if use_generic else entry[form], split)
    name = labels(rng, entry["subject" if form == "forward" else "object"], split)
    if strange and rng.random() < strange:
        name = plain_label(rng, split)
    places = {"s": name, "o": name, "noun": rng.choice(entry["nouns"])}
    query = put(table()["query"][form], {**places, "predicate": entry["predicate"]})
    return put(wording, places), query, [name]


def arbitrary_question(
    rng: random.Random, form: str, split: Split, strange: float
) -> tuple[str, str, list[str]]:
    """The same about a predicate made of any noun."""
    invented = strange and rng.random() < 2 * strange
    noun = strange_noun(rng) if invented else arbitrary_noun(rng, split)
    name = make_name(rng, rng.choice(ARBITRARY_KINDS), split.entities)
    wording = pick(rng, strings(table(), f"generic_{form}"), split)
    places = {"s": name, "o": name, "noun": noun}
    query = put(table()["query"][form], {**places, "predicate": camel(noun)})
    return put(wording, places), query, [name]


def camel(text: str) -> str:
    """`backup tip` -> `backupTip`."""
    first, *rest = text.split()
    return first + "".join(word.capitalize() for word in rest)


def shape_question(
    rng: random.Random, split: Split, labels: Labels
) -> tuple[str, str, list[str], str]:
    """A list, superlative, filter, hop or yes/no question: wording, query, labels, shape."""
    entry = rng.choice(table()["shape"])
    places = {}
    for key, role in (("s", "subject"), ("o", "object")):
        if role in entry:
            places[key] = labels(rng, entry[role], split)
    names = list(places.values())
    if "literal" in entry:
        places["n"] = number(rng, entry)
    wording = pick(rng, entry["wordings"], split)
    return put(wording, places), put(entry["query"], places), names, entry["kind"]


def number(rng: random.Random, entry: dict[str, Any]) -> str:
    """A bound in the shape's range, round more often than not."""
    low, high = entry["low"], entry["high"]
    if base_of(entry["literal"]) == "num" and rng.random() < 0.4:
        return str(tidy(round(rng.uniform(low, high), 2)))
    value = rng.randint(low, high)
    unit = rng.choice([1, 10, 100, 1000, 5000])
    return str(value // unit * unit if value // unit * unit >= low else value)


def make_sparql(
    rng: random.Random,
    split: Split = TRAIN,
    arbitrary: float = ARBITRARY_SHARE,
    strange: float = 0.0,
    labels: Labels = label,
) -> Example:
    """One question and its query.

    Args:
        rng: Decides everything.
        split: Where names and wordings come from.
        arbitrary: The share of questions about a relation whose relation is made up.
        strange: The share of labels made of ordinary words; twice as many made-up relations have
            invented ones. Training asks for these: what is hardest to copy.
        labels: Where labels come from; by default any that the split allows.
    """
    form = rng.choices(list(FORMS), list(FORMS.values()))[0]
    if form == "shape":
        question, query, names, form = shape_question(rng, split, labels)
    elif rng.random() < arbitrary:
        question, query, names = arbitrary_question(rng, form, split, strange)
    else:
        question, query, names = relation_question(rng, form, split, strange, labels)
    return Example("sparql", f"<|sparql|>{question}<|out|>", query + "<|end|>", None, question,
                   tuple(names), form)  # fmt: skip
