"""SPARQL over a graph: what random choices come to at each level, and what a token costs.

    python benchmarks/sparql.py [--quick] [--data FILE ...]

`walks`: queries of uniformly random allowed tokens within 100 tokens, at each level: how many the
store's parser takes, how many of those that may be forced have a row, how much was forced, taken
back, and what a mask and an advance cost. The same walks at every level. `texts`: reading queries.
Without --data the graph is docs/examples/company.ttl. CPU time of this process; the store's own
process is not in it.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rows import Rows, Spread, parser, say
from timing import spread

from tether.grammars.constraint import allowed_ids
from tether.grammars.sparql import sparql
from tether.grammars.sparql.checks import check
from tether.grammars.sparql.compile import GraphConstraint, is_open
from tether.grammars.vocabulary import Vocabulary
from tether.graphs import LEVELS
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.reading import Source

_ROOT = Path(__file__).resolve().parents[1]
_SHIPPED = _ROOT / "decoding" / "builtin" / "model"
_LIMIT, _WALKS = 100, 200
_QUERY = 'SELECT ?x WHERE { ?s rdfs:label "Heinrich Hoch" ; :manager ?x . FILTER(?x != ?s) }'


class Walk:
    """One query of random choices, timed."""

    def __init__(self, constraint: GraphConstraint, seed: int) -> None:
        self.masks: list[float] = []
        self.advances: list[float] = []
        self.num_forced = self.num_taken_back = 0
        self.tokens: list[int] = []
        self._walk(constraint, random.Random(seed))

    def _walk(self, constraint: GraphConstraint, dice: random.Random) -> None:
        vocabulary, matcher = constraint.vocabulary, constraint.start()
        matcher.limit(_LIMIT)
        mask = np.zeros(vocabulary.num_words, np.int32)
        while not matcher.ended:
            run = matcher.forced()
            self.num_forced += len(run)
            if not run:
                start = time.process_time()
                matcher.fill_mask(mask)
                self.masks.append(1e6 * (time.process_time() - start))
                ends = matcher.can_end and dice.random() < 0.5
                token = vocabulary.eos_id if ends else dice.choice(allowed_ids(mask).tolist())
                run = [token]
            start = time.process_time()
            for token in run:
                matcher.advance(token)
            back = matcher.retreat()
            self.advances.append(1e6 * (time.process_time() - start) / len(run))
            self.tokens += run
            self.num_taken_back += back
            del self.tokens[len(self.tokens) - back :]


def main() -> None:
    """All rows."""
    shared = parser(__doc__)
    shared.add_argument("--data", nargs="+", type=Path)
    given = shared.parse_args()
    rows = Rows("sparql", quick=given.quick)
    paths = given.data or [_ROOT / "docs" / "examples" / "company.ttl"]
    vocabulary = Vocabulary.from_file(_SHIPPED)
    with tempfile.TemporaryDirectory() as folder:
        facts = build(Path(folder) / "graph", Source(paths))
        graph = Graph.open(Path(folder) / "graph")
        about = {"data": paths[0].name, "triples": facts["triples"]}
        look = graph.lookup(vocabulary.key, vocabulary.encode)
        for level in LEVELS[1:]:
            constraint = sparql(vocabulary, graph=look, guarantee=level)
            assert isinstance(constraint, GraphConstraint)
            say(f"walks at {level}")
            counts, figures = walks(constraint, 10 if given.quick else _WALKS)
            rows.add({"walks": level, **about, **counts}, figures)
        graph.close()
    reading = spread(_reading(2 if given.quick else 40))
    rows.add({"texts": "read and checked"}, {"cpu_us": reading}, settings={"query": _QUERY})


def walks(constraint: GraphConstraint, count: int) -> tuple[dict[str, object], dict[str, Spread]]:
    """What `count` walks came to, and what their steps cost."""
    done = [Walk(constraint, seed) for seed in range(count)]
    texts = [constraint.vocabulary.decode(walk.tokens) for walk in done]
    asked = [text for text in texts if not is_open(text)]
    num_tokens = sum(len(walk.tokens) for walk in done)
    counts: dict[str, object] = {
        "queries": count,
        "parsed": sum(constraint.refusal(text) is None for text in texts),
        "forcible": len(asked),
        "with_rows": sum(bool(constraint.graph.ask(constraint.declared(t))) for t in asked),
        "tokens": num_tokens,
        "forced": round(sum(walk.num_forced for walk in done) / num_tokens, 4),
        "taken_back": sum(walk.num_taken_back for walk in done),
    }
    masks, advances = (
        _joined([walk.masks for walk in done]),
        _joined([walk.advances for walk in done]),
    )
    return counts, {
        "mask_cpu_us": {**spread(masks), "p99": float(np.percentile(masks, 99))},
        "advance_cpu_us": {**spread(advances), "p99": float(np.percentile(advances, 99))},
    }


def _joined(lists: Sequence[list[float]]) -> list[float]:
    return [value for values in lists for value in values]


def _reading(rounds: int) -> list[float]:
    check(_QUERY, ("", "rdfs"))  # makes the parser
    found = []
    for _ in range(rounds):
        start = time.process_time()
        check(_QUERY, ("", "rdfs"))
        found.append(1e6 * (time.process_time() - start))
    return found


if __name__ == "__main__":
    main()
