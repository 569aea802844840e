"""What one made-up document is, and how hard it may be. Knows no task."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from tether.types import Json

Side = Literal["train", "test"]
Task = Literal["json", "sparql", "qa", "key_value"]
T = TypeVar("T")

HELD_MODULUS = 6
HELD_REMAINDER = 3
SHORT_LIST = 4


@dataclass(frozen=True, slots=True)
class Split:
    """Which side of the data a document draws from.

    `entities` names the side of every name; `held` is the probability that one choice from a
    list of wordings falls on its held-out part: 0 in training, 1/6 mixed, 1 all held out.
    """

    entities: Side = "train"
    held: float = 0.0


TRAIN = Split()


@dataclass(frozen=True, slots=True)
class Example:
    """One document: `prompt` ends with `<|out|>`, `answer` with `<|end|>`."""

    task: Task
    prompt: str
    answer: str
    schema: dict[str, Json] | None = None
    text: str = ""
    entities: tuple[str, ...] = ()
    kind: str = ""
    """The domain, the SPARQL shape, or the QA mode."""
    memory: str = ""
    """QA only: what memory says where the passage says otherwise."""


def is_held(index: int, size: int) -> bool:
    """True when the wording at `index` of a list of `size` is held out of training."""
    return size >= SHORT_LIST and index % HELD_MODULUS == HELD_REMAINDER


def held_part(options: Sequence[T], *, held: bool) -> list[T]:
    """The held-out (or the training) part of a list of wordings; a short list is whole in both."""
    if len(options) < SHORT_LIST:
        return list(options)
    return [option for i, option in enumerate(options) if is_held(i, len(options)) == held]


def pick(rng: random.Random, options: Sequence[T], split: Split) -> T:
    """One wording of the list, from the part that the split allows."""
    held = split.held > 0 and rng.random() < split.held
    return rng.choice(held_part(options, held=held))
