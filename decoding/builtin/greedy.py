"""Greedy answers of a checkpoint through the loop itself: what is judged is the product."""

from __future__ import annotations

from collections.abc import Sequence

from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request
from tether.grammars.constraint import Constraint

ROWS = 24


def greedy(
    model: Model, prompts: Sequence[str], constraints: Sequence[Constraint] | None, limit: int
) -> list[str]:
    """The answers, in the order of the prompts; those at the limit as far as they came."""
    requests = [
        Request(
            key=str(index),
            prompt=tuple(model.vocabulary.encode_prompt(prompt)),
            constraint=constraints[index] if constraints else None,
            max_tokens=limit,
        )
        for index, prompt in enumerate(prompts)
    ]
    answers = {result.key: result.text for result in Loop(model, slots=ROWS).run(requests)}
    return [answers[request.key] for request in requests]
