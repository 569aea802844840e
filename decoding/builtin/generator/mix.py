"""The curriculum and the mix of tasks that training draws from."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tether.decoding.builtin.generator.example import Example
from tether.decoding.builtin.generator.json_task import make_json
from tether.decoding.builtin.generator.key_value import make_key_value
from tether.decoding.builtin.generator.qa_task import Mode, make_qa
from tether.decoding.builtin.generator.sparql_task import make_sparql

WARM_UP = 0.07
SHORT_UNTIL = 0.14
SHORT_FACTS = 3
LONG_UNTIL, LATE_FROM = 0.3, 0.8
# Long documents first, for copying; then more of the short tasks, which have more to remember, and
# at last more queries, which have to be right to the letter.
FIRST_MIX = {"json": 58, "qa": 20, "sparql": 12, "key_value": 10}
# "misc" is JSON of arbitrary keys, over and above those that "json" draws.
MIX = {"json": 42, "misc": 8, "qa": 26, "sparql": 20, "key_value": 4}
LAST_MIX = {"json": 28, "misc": 6, "qa": 26, "sparql": 38, "key_value": 2}
# At last, memory is asked more often than reading, so that it stays the stronger of the two.
LAST_MODES: list[Mode] = ["closed", "irrelevant", "beside", "beside", "fresh", "agree"]
# Training asks twice as often for what may be missing as the evaluation, and for arbitrary
# predicates and for names and predicates of strange words: they take longest to learn.
DOUBT = 2.0
ARBITRARY = 0.3
STRANGE = 0.25


def mix_at(progress: float) -> dict[str, int]:
    """The shares of the tasks at `progress`, in percent."""
    if progress < LONG_UNTIL:
        return FIRST_MIX
    return MIX if progress < LATE_FROM else LAST_MIX


def make_example(rng: random.Random, progress: float) -> Example:
    """One training document at `progress` in [0, 1]: pairs, then short ones, then everything."""
    if progress < WARM_UP:
        return make_key_value(rng)
    mix = mix_at(progress)
    task = rng.choices(list(mix), list(mix.values()))[0]
    if task == "qa":
        return make_qa(rng, mode=rng.choice(LAST_MODES) if progress >= LATE_FROM else None)
    if task == "sparql":
        return make_sparql(
            rng, arbitrary=ARBITRARY, strange=STRANGE if progress >= LATE_FROM else 0.0
        )
    if task == "key_value":
        return make_key_value(rng)
    most = SHORT_FACTS if progress < SHORT_UNTIL else 8
    return make_json(rng, most=most, kind="misc" if task == "misc" else "", doubt=DOUBT)


def tokenizer_texts(rng: random.Random, count: int = 20_000) -> Iterator[str]:
    """`count` whole training documents of the first mix, to train the tokenizer on."""
    for _ in range(count):
        example = make_example(rng, SHORT_UNTIL)
        yield example.prompt + example.answer
