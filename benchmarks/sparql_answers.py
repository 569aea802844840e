"""Questions to queries: what their answers are worth, by what holds the queries and by links.

    python benchmarks/sparql_answers.py [--quick] [--model DIR] [--ck25 FOLDER] [--count N]

Greedy decoding, no right prefix given. `example`: the example graph under names that nobody trained
on, with wordings of training and with held-out ones; only questions whose right query has a row,
or may well have none. `ck25`: the questions of a folder with questions.yml and Turtle files, over
their graph. F1 is of rows, mean over questions. The conditions:

    none         no constraint
    sparkle      names exist; a relation fits a constant head, a constant tail its relation
                 (SPARKLE, arXiv 2407.01626), here inside our grammar, which SPARKLE does not have
    vocabulary   the levels of `--guarantee`; `+ link` with the names that the question mentions
    adjacent
    nonempty
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import yaml
from rows import Rows, parser, say

from tether.cli.graphs import Source as Described
from tether.decoding import models
from tether.decoding.builtin.asked import (
    Asked,
    Mask,
    ask,
    constraint_of,
    f1,
    mean,
    sources,
)
from tether.decoding.builtin.example_graph import World, renamed_world
from tether.decoding.builtin.generator.example import Split
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request
from tether.errors import TetherError
from tether.grammars.constraint import Constraint
from tether.grammars.sparql import sparql
from tether.grammars.sparql.compile import is_open
from tether.graphs import LEVELS, Candidates, Level, Name, Position, Ranks, Triple, Variable
from tether.grounding.graph.answer import Answer, Limits
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.lookup import Lookup, Scope
from tether.grounding.graph.reading import Source

_COUNT, _QUICK = 300, 6
_LIMIT = 160
_SETS = {"held-out entities": Split("test", 0.0), "held-out wordings": Split("train", 1.0)}
_CONDITIONS = [
    ("none", ""), ("sparkle", ""),
    *((level, ground) for level in LEVELS[1:] for ground in ("", "link")),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SparkleScope:
    """Triples one by one: only constants are held to each other.

    Attributes:
        words: The scope of the level `vocabulary`, which knows the variables.
        near: The empty scope of the level `adjacent`.
    """

    words: Scope
    near: Scope

    @property
    def reached(self) -> Level:
        """As much as it promises."""
        return "vocabulary"

    @property
    def reason(self) -> str:
        """Nothing is missed."""
        return ""

    def candidates(self, triple: Triple, position: Position) -> Candidates:
        """Relations of a constant head, tails of a constant relation, else all of the role."""
        found = self.words.candidates(triple, position)
        if position == "predicate" and isinstance(triple.subject, Name):
            return found._replace(ranks=self.near.candidates(triple, position).ranks)
        if position == "object" and isinstance(triple.predicate, Name):
            alone = Triple(Variable("any"), triple.predicate)
            return found._replace(ranks=self.near.candidates(alone, position).ranks)
        return found

    def add(self, triple: Triple) -> Self | None:
        """Forgets the triple but for its variables."""
        words = self.words.add(triple)
        return None if words is None else replace(self, words=words)

    def domain(self, variable: str) -> Ranks | None:
        """All of the role."""
        return self.words.domain(variable)

    def restrict(self, variable: str, ranks: Ranks) -> Self | None:
        """Nothing is narrowed."""
        words = self.words.restrict(variable, ranks)
        return None if words is None else replace(self, words=words)


class Sparkle(Lookup):
    """A graph whose triples are looked at one by one."""

    def scope(self, level: Level) -> Any:  # noqa: ANN401  # another scope of the same protocol
        """See SparkleScope."""
        return SparkleScope(super().scope("vocabulary"), super().scope("adjacent"))


def held(model: Model, graph: Graph, condition: str) -> Mask | Constraint:
    """The mask of a condition."""
    if condition != "sparkle":
        return cast("Mask", condition)
    look = graph.lookup(model.vocabulary.key, model.vocabulary.encode)
    look.__class__ = Sparkle
    return sparql(model.vocabulary, graph=look, guarantee="vocabulary")


def main() -> None:
    """All rows."""
    shared = parser(__doc__)
    shared.add_argument("--ck25", type=Path, help="a folder with questions.yml and *.ttl")
    shared.add_argument("--count", type=int, default=_COUNT, help="of each example set; 0: none")
    shared.add_argument("--seed", default="1")
    given = shared.parse_args()
    rows = Rows("sparql_answers", quick=given.quick)
    model = models.load(given.model, dtype="float32")
    count = _QUICK if given.quick else given.count
    with tempfile.TemporaryDirectory() as folder:
        if model.name == "builtin" and count:
            for name, split in _SETS.items():
                examples(rows, model, Path(folder) / name, given.seed, count, name, split)
        if given.ck25:
            questions(rows, model, Path(folder) / "ck25", given.ck25, given.quick)


def examples(
    rows: Rows, model: Model, folder: Path, seed: str, count: int, name: str, split: Split
) -> None:
    """The rows of one set of questions over the example graph under other names."""
    world = renamed_world(folder, f"{seed} {name}", split)
    asked = world.questions(f"{seed} {name}", count, split)
    for condition, ground in _CONDITIONS:
        mask = held(model, world.graph, condition)
        done = ask(model, world, asked, mask, [ground] if ground else [])
        case = {"questions": name, "seed": seed, "model": model.name}
        rows.add({**case, **_named(condition, ground), **_counts(done)})
        say(f"{name}: {condition} {ground}: {_counts(done)}")
    world.graph.close()


def _named(condition: str, ground: str) -> dict[str, object]:
    return {"held": condition, "linked": bool(ground)}


def _counts(done: Sequence[Asked]) -> dict[str, object]:
    return {
        "count": len(done),
        "exact": sum(one.is_exact for one in done),
        "runs": sum(one.runs for one in done),
        "f1": round(mean(one.f1 for one in done), 4),
    }


def questions(rows: Rows, model: Model, folder: Path, data: Path, quick: bool) -> None:
    """The rows of a set of questions with right queries, over its own graph."""
    build(folder, Source(sorted(data.glob("*.ttl"))))
    graph = Graph.open(folder)
    world = World(graph, {})
    read = yaml.safe_load((data / "questions.yml").read_text(encoding="utf-8"))["questions"]
    pairs = [(one["question"]["en"], one["query"]["sparql"]) for one in read]
    pairs = pairs[: _QUICK if quick else None]
    right = [graph.rows(query, Limits()) for _, query in pairs]
    subjects = Described(folder).described
    for condition, ground in _CONDITIONS:
        mask = held(model, graph, condition)
        texts = written(model, graph, [text for text, _ in pairs], subjects, mask, ground)
        answers = [world.run(text) for text in texts]
        found = [f1(one, two) for one, two in zip(right, answers, strict=True)]
        counts = {
            "count": len(pairs),
            "runs": sum(answer is not None for answer in answers),
            "with_rows_or_open": sum(map(_is_answer, texts, answers)),
            "f1": round(mean(found), 4),
            "right": sum(value == 1 for value in found),
        }
        case = {"questions": data.name, "model": model.name, **_named(condition, ground)}
        rows.add({**case, **counts})
        say(f"{data.name}: {condition} {ground}: {counts}")
    graph.close()


def _is_answer(text: str, answer: Answer | None) -> bool:
    """Whether a query runs, and has a row where that may be asked of it."""
    if answer is None:
        return False
    try:
        return bool(answer.rows) or is_open(text)
    except TetherError:
        return False


def written(
    model: Model,
    graph: Graph,
    asked: Sequence[str],
    subjects: str,
    mask: Mask | Constraint,
    ground: str,
) -> list[str]:
    """The queries of some questions, as `tether sparql` prompts for them."""
    constraint = constraint_of(model, graph, mask)
    requests = [
        Request(
            key=str(number),
            prompt=encode(model, Prompt(text, query=subjects)),
            constraint=constraint,
            max_tokens=_LIMIT,
            sources=sources(model, graph, text, [ground] if ground else []),
        )
        for number, text in enumerate(asked)
    ]
    found = {result.key: result.text for result in Loop(model, slots=8).run(requests)}
    return [found[request.key] for request in requests]


if __name__ == "__main__":
    main()
