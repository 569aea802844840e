"""Questions over generated worlds: known are the truth, the model's memory, and the passages.

A seed makes a world; unseen seeds make unseen ones.

Names are of the generator's held-out side, one wording in six was never trained on. What the model
remembers is the same in all worlds: 144 facts, learned in training.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from tether.decoding.builtin.generator.example import Split
from tether.decoding.builtin.generator.qa_task import (
    Mode,
    Relation,
    Triple,
    distractors,
    fresh,
    make_qa,
    new_answer,
    relations,
    worded,
)

SPLIT = Split("test", 1 / 6)


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        text: What is asked.
        passages: What it shall be answered from.
        gold: The right answer; empty where nobody can know it.
        memory: What the model remembers; empty for nothing.
    """

    text: str
    passages: tuple[str, ...]
    gold: str
    memory: str = ""


def world(seed: int, count: int) -> dict[str, list[Question]]:
    """The sets of a world, `count` questions each; fewer where the model remembers no more facts.

    `stale`: a passage contradicts memory and is right; no two contradict each other. `agree`: it
    says the same. `unseen`: it is about something new. `irrelevant`: memory is right, the passages
    are about others. `beside`: memory is right, a passage says something else about the same
    subject. `missing`: something new that no passage knows. `two_hop`: two passages have to be put
    together.
    """
    makers: dict[str, Callable[[random.Random], Question]] = {
        "stale": lambda rng: _asked(rng, "contradict"),
        "agree": lambda rng: _asked(rng, "agree"),
        "unseen": lambda rng: _asked(rng, "fresh"),
        "irrelevant": lambda rng: _asked(rng, "irrelevant"),
        "beside": lambda rng: _asked(rng, "beside"),
        "missing": _missing,
        "two_hop": _two_hop,
    }
    found = {}
    for name, make in makers.items():
        rng = random.Random(f"world {seed} {name}")
        found[name] = [make(rng) for _ in range(count)]
    found["stale"] = list({question.memory: question for question in found["stale"]}.values())
    return found


def _asked(rng: random.Random, mode: Mode) -> Question:
    example = make_qa(rng, SPLIT, mode)
    text = re.search(r"<\|ask\|>(.*)<\|out\|>", example.prompt, re.DOTALL)
    assert text is not None, "a question of the generator has its marks"
    return Question(
        text[1], (example.text,), example.answer.removesuffix("<|end|>"), example.memory
    )


def _missing(rng: random.Random) -> Question:
    fact = fresh(rng, SPLIT)
    others: list[str] = []
    while not others:
        others = distractors(rng, fact, rng.choice([1, 2, 3]), SPLIT)
    return Question(worded(rng, fact, "questions", SPLIT), (" ".join(others),), "")


def _two_hop(rng: random.Random) -> Question:
    """`Where was the founder of X born?` from who founded X and where that one was born."""
    first, second = rng.choice(_pairs())
    near = fresh(rng, SPLIT, first)
    far = Triple(second, near.answer, new_answer(rng, second, SPLIT))
    said = [worded(rng, fact, "statements", SPLIT) for fact in (near, far)]
    said += distractors(rng, near, rng.choice([0, 1, 2]), SPLIT)
    rng.shuffle(said)
    roundabout = f"the {rng.choice(first.nouns)} of {near.subject}"
    asked = Triple(second, roundabout, far.answer)
    return Question(worded(rng, asked, "questions", SPLIT), (" ".join(said),), far.answer)


def _pairs() -> list[tuple[Relation, Relation]]:
    """Relations of which the second asks about what the first one answers."""
    known = [relation for relation in relations() if relation.nouns]
    return [(a, b) for a in known for b in known if a.object_kind == b.subject_kind]
