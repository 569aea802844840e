"""Train the shipped model's draft head: `python -m tether.decoding.builtin.drafter [FOLDER]`.

A minute and a half of one core. The same seed gives the same texts; bit equality across machines is
not promised.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tether.decoding.builtin.generator.mix import make_example
from tether.decoding.drafts.beside import Facts
from tether.decoding.drafts.head_net import BESIDE
from tether.decoding.drafts.head_train import Text, foretold, train
from tether.decoding.models import load
from tether.decoding.models.base import Model

_DOCUMENTS = 48  # read at once
_PROGRESS = 0.6  # the mix of tasks of the training in its middle
_STEPS, _SEED = 350, 5


def batches(model: Model, seed: str, count: list[int]) -> Iterator[Sequence[Text]]:
    """Texts of the generator without end; `count` holds how many tokens were answers."""
    rng = random.Random(seed)
    encode = model.vocabulary.encode_prompt
    while True:
        batch: list[Text] = []
        for _ in range(_DOCUMENTS):
            example = make_example(rng, _PROGRESS)
            prompt, answer = encode(example.prompt), encode(example.answer)
            batch.append(([*prompt, *answer], len(prompt)))
            count[0] += len(answer)
        yield batch


def main() -> None:
    """Train, measure on other texts, write."""
    model = load()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else model.directory
    count = [0]
    net = train(model, batches(model, f"head {_SEED}", count), _STEPS, _SEED)
    shares = foretold(model.network, net, next(batches(model, "head held out", [0])))
    net.save(folder / BESIDE.place, Facts(model.fingerprint, count[0], _SEED))
    sys.stdout.write("by depth: " + ", ".join(f"{share:.3f}" for share in shares) + "\n")


if __name__ == "__main__":
    main()
