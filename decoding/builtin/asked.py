"""Questions to queries over a graph as `tether sparql` writes them: exact, and as what they give.

Knows the constraint's levels and links; of rows it knows how alike two answers are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tether.decoding.builtin.example_graph import World, gold
from tether.decoding.builtin.generator.example import Example
from tether.decoding.grounds.ground import Given, Told
from tether.decoding.grounds.parse import bind_all, parse_all
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request
from tether.grammars.constraint import Constraint
from tether.grammars.sparql import sparql
from tether.grounding.evidence import Source
from tether.grounding.graph.answer import Answer
from tether.grounding.graph.graph import Graph

Mask = Literal["none", "vocabulary", "adjacent", "nonempty"]
_LIMIT, _ROWS = 128, 24


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a question.

    Attributes:
        example: The question with its right query.
        query: What was written, without prefixes; may be cut.
        runs: Whether the store takes it.
        f1: How alike its answer is to the right one, from 0 to 1.
    """

    example: Example
    query: str
    runs: bool
    f1: float

    @property
    def is_exact(self) -> bool:
        """Whether it is the right query to the letter."""
        return self.query == gold(self.example)


def ask(
    model: Model,
    world: World,
    examples: Sequence[Example],
    mask: Mask | Constraint,
    grounds: Sequence[str] = (),
) -> list[Asked]:
    """Answer questions, greedily.

    Args:
        model: Its tokens are in the prompts of the examples.
        world: The graph.
        examples: The questions.
        mask: A level of guarantee, "none" for free text, or a constraint of another kind.
        grounds: Methods of grounding, such as `link`.
    """
    constraint = constraint_of(model, world.graph, mask)
    requests = [
        Request(
            key=str(number),
            prompt=tuple(model.vocabulary.encode_prompt(example.prompt)),
            constraint=constraint,
            max_tokens=_LIMIT,
            sources=sources(model, world.graph, example.text, grounds),
        )
        for number, example in enumerate(examples)
    ]
    texts = {result.key: result.text for result in Loop(model, slots=_ROWS).run(requests)}
    return [_judged(world, example, texts[str(n)]) for n, example in enumerate(examples)]


def sources(
    model: Model, graph: Graph, question: str, grounds: Sequence[str]
) -> tuple[Source, ...]:
    """The evidence of one question."""
    given = Given(model, (Told(question, ()),), graph=graph)
    return bind_all(parse_all(grounds), given)


def constraint_of(model: Model, graph: Graph, mask: Mask | Constraint) -> Constraint | None:
    """The constraint of a level over a graph; None for "none"."""
    if isinstance(mask, Constraint):
        return mask
    if mask == "none":
        return None
    vocabulary = model.vocabulary
    look = graph.lookup(vocabulary.key, vocabulary.encode)
    return sparql(vocabulary, graph=look, guarantee=mask)


def _judged(world: World, example: Example, query: str) -> Asked:
    right, answer = world.run(gold(example)), world.run(query)
    assert right is not None, "questions come with queries that run"
    return Asked(example, query, answer is not None, f1(right, answer))


def f1(right: Answer, answer: Answer | None) -> float:
    """Harmonic mean of precision and recall of rows, columns in their order.

    Two answers without rows are alike; yes and no are alike or not.
    """
    if answer is None or (right.yes is None) != (answer.yes is None):
        return 0.0
    if right.yes is not None:
        return float(right.yes == answer.yes)
    wanted, found = set(right.rows), set(answer.rows)
    if not wanted and not found:
        return 1.0
    return 2 * len(wanted & found) / (len(wanted) + len(found))


def mean(values: Iterable[float]) -> float:
    """Their mean."""
    held = list(values)
    return sum(held) / len(held)
