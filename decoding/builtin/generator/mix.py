"""The curriculum and the mix of tasks that training draws from."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tether.decoding.builtin.generator.example import Example
from tether.decoding.builtin.generator.json_task import make_json
from tether.decoding.builtin.generator.key_value import make_key_value
from tether.decoding.builtin.generator.qa_task import make_qa
from tether.decoding.builtin.generator.sparql_task import make_sparql

WARM_UP = 0.07
SHORT_UNTIL = 0.14
SHORT_FACTS = 3
LONG_UNTIL = 0.3
# Long documents first, for copying; then more of the short tasks, which have more to remember.
FIRST_MIX = {"json": 58, "qa": 20, "sparql": 12, "key_value": 10}
MIX = {"json": 40, "qa": 28, "sparql": 30, "key_value": 2}


def make_example(rng: random.Random, progress: float) -> Example:
    """One training document at `progress` in [0, 1]: pairs, then short ones, then everything."""
    if progress < WARM_UP:
        return make_key_value(rng)
    mix = FIRST_MIX if progress < LONG_UNTIL else MIX
    task = rng.choices(list(mix), list(mix.values()))[0]
    if task == "json":
        return make_json(rng, most=SHORT_FACTS if progress < SHORT_UNTIL else 8)
    if task == "qa":
        return make_qa(rng)
    return make_sparql(rng) if task == "sparql" else make_key_value(rng)


def tokenizer_texts(rng: random.Random, count: int = 20_000) -> Iterator[str]:
    """`count` whole training documents of the first mix, to train the tokenizer on."""
    for _ in range(count):
        example = make_example(rng, SHORT_UNTIL)
        yield example.prompt + example.answer
