"""Sentences that state several facts of a domain at once, and the facts they state."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping

from tether.decoding.builtin.generator.clauses import place
from tether.decoding.builtin.generator.example import Split, pick
from tether.decoding.builtin.generator.facts import KEEP, Fact, distinct, make_fact
from tether.decoding.builtin.generator.values import Value, make_dates, make_value
from tether.decoding.builtin.generator.wordings import Domain

SLOT = re.compile(r"\{(\w+)\}")


def slots(frame: str) -> list[str]:
    """The fields a frame states, in order."""
    return [key for key in SLOT.findall(frame) if key != "it"]


def fixed_values(
    rng: random.Random, domain: Domain, subject: Value, split: Split
) -> dict[str, Value]:
    """Values drawn before the facts: the main entity's, and those that keep an order."""
    values = {domain.fields[0].key: subject}
    kinds = {table.key: table.kind for table in domain.fields}
    for keys in domain.order:
        kind = kinds[keys[0]]
        if kind == "date":
            drawn = make_dates(rng, split, len(keys))
        else:
            drawn = [make_value(rng, kind, split) for _ in keys]
            drawn.sort(key=lambda value: float(str(value.json)))
        values.update(zip(keys, drawn, strict=True))
    return values


def compatible(domain: Domain, key: str, stated: Collection[str]) -> bool:
    """True when the field may stand beside the stated ones."""
    return not any(
        key in group and any(other in stated for other in group if other != key)
        for group in domain.exclusive
    )


def framed_facts(
    rng: random.Random, domain: Domain, most: int, split: Split, fixed: Mapping[str, Value]
) -> list[Fact]:
    """The facts of one frame, the first of them with its sentence; none where it does not fit."""
    frame = pick(rng, domain.frames, split)
    keys, tables = slots(frame), {table.key: table for table in domain.fields}
    if len(keys) > most:
        return []
    facts = [make_fact(rng, tables[key], split, fixed.get(key)) for key in keys]
    if len(distinct(facts)) < len(facts):
        return []
    text = frame
    for fact in facts:
        text = place(text, "{" + fact.origin + "}", fact.line)
        fact.sentences = []
    begins_with_value = frame.startswith("{") and not frame.startswith("{it}")
    facts[0].sentences = [(KEEP if begins_with_value else "") + text]
    return facts
