"""Random queries at the level `nonempty`: all of them parse, and the store finds a row of each.

    python benchmarks/sparql_stress.py --data FILE ...       # a graph of your own (CK25, say)
    python benchmarks/sparql_stress.py --made 1200000        # a made graph of so many triples
    python benchmarks/sparql_stress.py --rings 2000          # cycles, some of which close

Options: --count 10000, --first SEED, --seconds S (then it stops), --graph FOLDER (built before, or
kept there). Half of the queries choose evenly among what is allowed, half by logits that are drawn
once a query, so that names and variables come back (`tests/query_walks.py`). Questions of yes or no
and bare counts are not forced, and only counted. The store judges, in two seconds each; where
that is too short, it is asked the query with the terms of one solution in place of its variables
(then the same with the first branches alone and repeated steps once), which has a row only if the
query has one: `with_rows_by_solution`.
CPU time is this process's own.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import made_graph
import numpy as np
from facts import ROOT
from rows import Rows, from_tests, parser, say

from tether.errors import GrammarError, TetherError
from tether.grammars.sparql import sparql
from tether.grammars.sparql.compile import GraphConstraint, existence, is_open
from tether.grammars.sparql.lookup import Scope
from tether.grammars.sparql.matcher import QueryMatcher
from tether.grammars.vocabulary import Vocabulary
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.reading import Source
from tether.grounding.graph.scope import FactsScope

query_walks = from_tests("query_walks.py")

_SHIPPED = ROOT / "decoding" / "builtin" / "model"
_ASK_S = 2.0
"""For the store, while a query is written and after: what `tether sparql` allows."""
_EVERY = 500
_MOST_TRIED = 100
"""Terms of a variable that are tried for a solution."""
_SCOPED = re.compile(r"\b(MINUS|SELECT|VALUES|BIND|AS)\b")
"""Where terms in place of variables say something else than the variables do."""


def main() -> None:
    """One row."""
    shared = parser(__doc__)
    shared.add_argument("--data", nargs="+", type=Path)
    shared.add_argument("--made", type=int)
    shared.add_argument("--rings", type=int)
    shared.add_argument("--graph", type=Path)
    shared.add_argument("--count", type=int, default=10_000)
    shared.add_argument("--first", type=int, default=0)
    shared.add_argument("--seconds", type=float, default=float("inf"))
    given = shared.parse_args()
    count = 20 if given.quick else given.count
    with tempfile.TemporaryDirectory() as folder:
        graph = _graph(given.graph or Path(folder) / "graph", _Data(given, Path(folder)))
        counts, costs = _run(graph, range(given.first, given.first + count), given.seconds)
        case = {"data": _Data(given, Path(folder)).name, "triples": graph.facts.num_triples}
        graph.close()
    p50, p99 = np.percentile(costs, [50, 99])
    figures = {"query_cpu_ms": {"mean": float(np.mean(costs)), "median": p50, "p99": p99}}
    settings = {"first": given.first, "tokens": query_walks.LIMIT, "ask_s": _ASK_S}
    Rows("sparql_stress", quick=given.quick).add({**case, **counts}, figures, settings=settings)


class _Data:
    """What a graph is made of."""

    def __init__(self, given: object, folder: Path) -> None:
        self._given, self._folder = vars(given), folder

    @property
    def name(self) -> str:
        """What rows call it."""
        if self._given["made"]:
            return "made"
        return "rings" if self._given["rings"] else str(self._given["data"][0].name)

    def paths(self) -> list[Path]:
        """Its files; made ones are written."""
        path = self._folder / "made.ttl"
        if self._given["made"]:
            made_graph.write(path, self._given["made"])
        elif self._given["rings"]:
            path.write_text("".join(query_walks.rings(self._given["rings"])))
        else:
            return list(self._given["data"])
        return [path]


def _graph(path: Path, data: _Data) -> Graph:
    if not path.exists():
        build(path, Source(data.paths()))
    return Graph.open(path)


def _run(graph: Graph, seeds: range, seconds: float) -> tuple[dict[str, int], list[float]]:
    """What became of the queries, and the CPU milliseconds of each."""
    started = time.monotonic()
    vocabulary = Vocabulary.from_file(_SHIPPED)
    look = graph.lookup(vocabulary.key, vocabulary.encode, seconds=_ASK_S)
    constraint = sparql(vocabulary, graph=look)
    assert isinstance(constraint, GraphConstraint)
    counts, costs = Counter[str](), list[float]()
    for seed in seeds:
        if time.monotonic() - started > seconds:
            break
        began = time.process_time()
        for what in _judged(constraint, graph, seed):
            counts[what] += 1
        costs.append(1e3 * (time.process_time() - began))
        if (seed + 1) % _EVERY == 0:
            say(f"{seed + 1}: {dict(counts)}")
    return dict(sorted(counts.items())), costs


def _judged(constraint: GraphConstraint, graph: Graph, seed: int) -> list[str]:
    """What can be said of one query; whatever is wrong with it is shown."""
    try:
        text, matcher = query_walks.walk(constraint, seed)
    except TetherError as error:
        say(f"seed {seed}: {error}")
        return ["queries", "failed"]
    found = ["queries"]
    refusal = constraint.refusal(text)
    found += ["parsed"] if refusal is None else []
    if is_open(text):
        return [*found, "open"]
    row = _row(constraint, graph, text, matcher)
    reached = constraint.verdict(text).reached
    found += ["forcible", row, *(["reached"] if reached == "nonempty" else [])]
    if refusal or row in ("without_rows", "store_out_of_time") or reached != "nonempty":
        say(f"seed {seed}: {refusal or row}, {reached}: {text}")
    return found


def _row(constraint: GraphConstraint, graph: Graph, text: str, matcher: QueryMatcher) -> str:
    """What the store says of a query's rows."""
    if (answer := graph.oracle.ask(constraint.declared(existence(text)), _ASK_S)) is not None:
        return "with_rows" if answer else "without_rows"
    if matcher.thread is None:
        matcher.rollback(1)  # the end token
    assert matcher.thread is not None
    if (where := matcher.thread.progress.head.where) is None:  # a description without patterns
        return "store_out_of_time"
    terms = _solution(constraint, where.scope)
    for asked in (existence(text), f"ASK {{{where.body.witness}"):
        instance = re.sub(r"\?(\w+)", lambda found: terms.get(found[1], found[0]), asked)
        if instance != asked and not _SCOPED.search(asked) and _asked(constraint, graph, instance):
            return "with_rows_by_solution"
    return "store_out_of_time"


def _asked(constraint: GraphConstraint, graph: Graph, query: str) -> bool:
    try:
        return bool(graph.oracle.ask(constraint.declared(query), _ASK_S))
    except GrammarError:  # a literal where the standard allows none: as a subject, say
        return False


def _solution(constraint: GraphConstraint, scope: Scope) -> Mapping[str, str]:
    """The terms of one solution by the index, as queries write them; blank nodes stay variables."""
    assert isinstance(scope, FactsScope)
    terms = dict[str, str]()
    for variable in scope.domains:
        ranks = scope.domain(variable)
        for rank in () if ranks is None else ranks[:_MOST_TRIED]:
            if (narrower := scope.restrict(variable, np.array([rank]))) is not None:
                assert isinstance(narrower, FactsScope)
                scope, terms[variable] = narrower, constraint.graph.names.text(int(rank))
                break
    return terms


if __name__ == "__main__":
    main()
