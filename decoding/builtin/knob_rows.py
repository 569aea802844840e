"""Rows to learn the shipped model's knob from: `python -m tether.decoding.builtin.knob_rows N`.

Facts that memory has otherwise are what the knob decides; entities that memory does not know, and
questions without an answer in a passage, are answered by one intent alone and show it. All from
the training side of the generator.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator

from tether.decoding.builtin.generator.example import TRAIN, Split
from tether.decoding.builtin.generator.qa_task import Mode, make_qa

Row = dict[str, str | list[str]]
_MODES: tuple[Mode, ...] = (
    "contradict",
    "contradict",
    "fresh",
    "fresh",
    "irrelevant",
    "agree",
    "closed",
    "beside",
)


def rows(seed: int, count: int, split: Split = TRAIN) -> Iterator[Row]:
    """Rows of `tether.decoding.knob.items`, the same for the same seed."""
    rng = random.Random(f"knob {seed}")
    for number in range(count):
        mode = _MODES[number % len(_MODES)]
        yield _row(rng, mode, split)


def _row(rng: random.Random, mode: Mode, split: Split) -> Row:
    example = make_qa(rng, split, mode)
    gold = example.answer.removesuffix("<|end|>")
    question = example.prompt.partition("<|ask|>")[2].removesuffix("<|out|>")
    row: Row = {"prompt": question, "evidence": [example.text] if example.text else []}
    shows = rng.random() < 0.5  # or is turned itself, and must then answer as it did
    if mode == "fresh":
        return {**row, "context": gold, **({"intent": "context"} if shows else {})}
    if mode in ("closed", "irrelevant", "beside"):
        return {**row, "prior": gold, **({"intent": "prior"} if shows else {"context": gold})}
    return {**row, "context": gold, "prior": example.memory}


if __name__ == "__main__":
    for made in rows(0, int(sys.argv[1])):
        sys.stdout.write(json.dumps(made, ensure_ascii=False) + "\n")
