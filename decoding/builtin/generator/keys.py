"""The spelling of keys: which of a field's words a schema uses, and in which case style."""

from __future__ import annotations

import random
import re

from tether.decoding.builtin.generator.wordings import FieldTable

RESTYLED_SHARE = 0.08
WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def restyle(rng: random.Random, text: str) -> str:
    """The words of `text` as snake_case, camelCase, kebab-case, PascalCase or a quoted title."""
    parts = [part.lower() for part in WORDS.findall(text)]
    style = rng.choice(["snake", "snake", "camel", "camel", "kebab", "pascal", "title"])
    if style == "snake":
        return "_".join(parts)
    if style == "kebab":
        return "-".join(parts)
    titled = [part.capitalize() for part in parts]
    if style == "title":
        return " ".join(titled)
    return "".join(titled) if style == "pascal" else "".join([parts[0], *titled[1:]])


def choose_key(rng: random.Random, table: FieldTable) -> str:
    """One of the field's spellings; now and then another style, or a noun made into a key."""
    if rng.random() >= RESTYLED_SHARE:
        return rng.choice(table.keys)
    return restyle(rng, rng.choice([*table.keys, *table.nouns]))
