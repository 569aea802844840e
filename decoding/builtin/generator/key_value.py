"""The warm-up task: `key: value` lists with invented keys, asked back as JSON."""

from __future__ import annotations

import random

from tether.decoding.builtin.generator.example import TRAIN, Example, Split
from tether.decoding.builtin.generator.fields import Field, Shape, base_of, json_schema, short_line
from tether.decoding.builtin.generator.json_task import compact
from tether.decoding.builtin.generator.misc import KINDS, arbitrary_noun
from tether.decoding.builtin.generator.names import syllables
from tether.decoding.builtin.generator.values import Value, make_value
from tether.types import Json

SIMPLE = [kind for kind in KINDS if not kind.startswith("list:") and kind not in ("enum", "bool")]
SIGNS = [": ", ": ", " = ", " - ", " is "]


def random_key(rng: random.Random, split: Split) -> str:
    """An invented word or an ordinary noun, in snake_case."""
    if rng.random() < 0.5:
        return syllables(rng, 1, 3)
    return arbitrary_noun(rng, split).replace(" ", "_")


def make_key_value(rng: random.Random, split: Split = TRAIN, most: int = 5) -> Example:
    """One to `most` pairs in lines or in one line, asked back in another order."""
    pairs: dict[str, tuple[str, Value]] = {}
    for _ in range(rng.randint(1, most)):
        kind = rng.choice(SIMPLE) if rng.random() < 0.5 else "word"
        pairs[random_key(rng, split)] = (kind, make_value(rng, kind, split))
    sign, space = rng.choice(SIGNS), rng.choice(["\n", "\n", "; ", ", "])
    text = space.join(f"{key}{sign}{value.text}" for key, (_, value) in pairs.items())
    keys = list(pairs)
    rng.shuffle(keys)
    keys = keys[: rng.randint(1, len(keys))]
    fields = [Field(key, Shape(base_of(pairs[key][0]))) for key in keys]
    answer: dict[str, Json] = {key: pairs[key][1].json for key in keys}
    prompt = f"<|doc|>{text}<|json|>{short_line(fields)}<|out|>"
    entities = tuple(value.text for _, value in pairs.values())
    return Example("key_value", prompt, compact(answer) + "<|end|>", json_schema(fields), text,
                   entities, "key_value")  # fmt: skip
