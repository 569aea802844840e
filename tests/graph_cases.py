"""Small graphs for tests: Turtle in, a look-up over a small vocabulary out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from tether.graphs import Triple
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.lookup import Lookup
from tether.grounding.graph.reading import Source

EMPTY = Triple()


def made(folder: Path, turtle: str) -> Graph:
    """A graph of a text of Turtle in `folder`."""
    data = folder / "data.ttl"
    data.write_text(turtle, encoding="utf-8")
    build(folder / "g", Source([data]))
    return Graph.open(folder / "g")


def encode(text: str) -> Sequence[int]:
    """A token a byte."""
    return list(text.encode())


def lookup(graph: Graph) -> Lookup:
    """Over a vocabulary of bytes."""
    return graph.lookup("b" * 64, encode)


def turtle(seed: int, nodes: int, predicates: int, triples: int) -> str:
    """A random graph, cycles and literals among it."""
    rng = random.Random(seed)
    lines = ["@prefix : <http://e/> ."]
    for _ in range(triples):
        other = rng.choice([f":n{rng.randrange(nodes)}", f":n{rng.randrange(nodes)}", '"x"', "_:b"])
        lines.append(f":n{rng.randrange(nodes)} :p{rng.randrange(predicates)} {other} .")
    return "\n".join(lines)
