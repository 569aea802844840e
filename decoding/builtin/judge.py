"""Train the shipped model's judge of drafts: `python -m tether.decoding.builtin.judge [FOLDER]`.

A minute of one core. The same seed gives the same texts; bit equality across machines is not
promised.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tether.decoding.builtin.generator.mix import make_example
from tether.decoding.drafts.beside import Facts
from tether.decoding.drafts.judge import BESIDE
from tether.decoding.drafts.judge_train import Answered, cases, surety, train
from tether.decoding.models import load
from tether.decoding.models.base import Model

_DOCUMENTS, _HELD_OUT = 1200, 300
_PROGRESS = 0.6  # the mix of tasks of the training in its middle
_SEED = 5


def answered(model: Model, seed: str, count: int) -> Iterator[Answered]:
    """Texts of the generator with their right answers."""
    rng = random.Random(seed)
    for _ in range(count):
        example = make_example(rng, _PROGRESS)
        encode = model.vocabulary.encode_prompt
        yield Answered(encode(example.prompt), encode(example.answer))


def main() -> None:
    """Train, measure on other texts, write."""
    model = load(dtype="float32")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else model.directory
    found = cases(model, answered(model, f"judge {_SEED}", _DOCUMENTS), _SEED)
    judge = train(found)
    others = cases(model, answered(model, "judge held out", _HELD_OUT), _SEED + 1)
    judge.save(folder / BESIDE.place, Facts(model.fingerprint, len(found.tokens), _SEED))
    tokens, steps = surety(judge, others)
    sys.stdout.write(f"right above wrong: tokens {tokens:.3f}, steps {steps:.3f}\n")


if __name__ == "__main__":
    main()
