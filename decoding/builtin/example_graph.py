"""The example graph under other names, and questions over it that have answers.

Same shape, classes, predicates and numbers; every entity has a name that nobody trained on. So
a query can be held to a graph that knows its names, and be run.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse, serialize

from tether.decoding.builtin.generator.example import Example, Split
from tether.decoding.builtin.generator.sparql_task import label, make_sparql, table
from tether.grounding.graph.answer import Answer, Limits
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.reading import Source

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "company.ttl"
SPACE = "https://example.org/company#"
PREFIXES = {
    "": SPACE,
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_LABEL, _TYPE = f"{PREFIXES['rdfs']}label", f"{PREFIXES['rdf']}type"
_EMAIL = f"{SPACE}email"


@dataclass(frozen=True, slots=True)
class World:
    """A graph of the example's shape.

    Attributes:
        graph: Built and opened.
        labels: Of the entities, by class.
    """

    graph: Graph
    labels: Mapping[str, Sequence[str]]

    def draw(self, rng: random.Random, name: str, split: Split) -> str:
        """A label of class `name` in the graph; see `sparql_task.Labels`."""
        return rng.choice(self.labels[name])

    def questions(self, seed: str, count: int, split: Split) -> list[Example]:
        """Different questions whose right query has a row, or may well have none."""
        rng = random.Random(seed)
        found: dict[str, Example] = {}
        while len(found) < count:
            example = make_sparql(rng, split, arbitrary=0, labels=self.draw)
            answer = self.run(gold(example))
            if answer is not None and (answer.yes is not None or answer.rows):
                found.setdefault(example.prompt, example)
        return list(found.values())

    def run(self, query: str) -> Answer | None:
        """What a query gives; None where it is none."""
        from tether.errors import TetherError

        try:
            return self.graph.rows(query, Limits(seconds=5.0))
        except TetherError:
            return None


def gold(example: Example) -> str:
    """The right query."""
    return example.answer.removesuffix("<|end|>")


def example_world(folder: Path) -> World:
    """The example graph as it ships, made at a new folder."""
    return _opened(folder, EXAMPLE, _labels(_quads()))


def renamed_world(folder: Path, seed: str, split: Split) -> World:
    """The example graph with names of the split's side, made at a new folder."""
    rng, quads = random.Random(seed), _quads()
    names: dict[str, str] = {}
    for kind, old in ((kind, old) for kind, all_ in _labels(quads).items() for old in all_):
        names[old] = _fresh(rng, kind, split, set(names.values()))
    folder.mkdir(parents=True)
    file = folder / "company.ttl"
    serialize((q.triple for q in _renamed(quads, names)), str(file), format=RdfFormat.TURTLE,
              prefixes=PREFIXES)  # fmt: skip
    return _opened(folder / "graph", file, _labels(list(_renamed(quads, names))))


def _opened(folder: Path, file: Path, labels: Mapping[str, Sequence[str]]) -> World:
    build(folder, Source([file]))
    return World(Graph.open(folder), labels)


def _quads() -> list[Quad]:
    return list(parse(path=str(EXAMPLE), format=RdfFormat.TURTLE))


def _labels(quads: Sequence[Quad]) -> dict[str, list[str]]:
    kinds = {entry["key"] for entry in table()["class"]}
    of = {str(q.subject): str(q.object.value)[len(SPACE) :] for q in quads
          if q.predicate.value == _TYPE and isinstance(q.object, NamedNode)}  # fmt: skip
    found: dict[str, list[str]] = {}
    for quad in quads:
        if quad.predicate.value == _LABEL and (kind := of[str(quad.subject)]) in kinds:
            assert isinstance(quad.object, Literal)
            found.setdefault(kind, []).append(quad.object.value)
    return found


def _fresh(rng: random.Random, kind: str, split: Split, taken: set[str]) -> str:
    """A label whose letters no entity has."""
    bare = set(map(_local, taken))
    while _local(name := label(rng, kind, split)) in bare:
        pass
    return name


def _renamed(quads: Sequence[Quad], names: Mapping[str, str]) -> Iterator[Quad]:
    local = {_local(old): _local(new) for old, new in names.items()}
    mail = {_mail(old): _mail(new) for old, new in names.items()}

    def node(term: object) -> object:
        if isinstance(term, NamedNode) and term.value.startswith(SPACE):
            return NamedNode(SPACE + local.get(term.value[len(SPACE) :], term.value[len(SPACE) :]))
        return term

    for quad in quads:
        said = quad.object
        if isinstance(said, Literal) and quad.predicate.value == _LABEL:
            said = Literal(names.get(said.value, said.value))
        elif isinstance(said, Literal) and quad.predicate.value == _EMAIL:
            said = Literal(mail[said.value])
        yield Quad(node(quad.subject), quad.predicate, node(said))  # type: ignore[arg-type]


def _local(name: str) -> str:
    """The IRI's last part: letters, digits and hyphens of a label."""
    return re.sub(r"[^\w-]", "", name)


def _mail(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@example.org"
