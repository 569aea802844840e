"""Graphs: what a million triples and a million names cost to build, to open and to ask.

    python benchmarks/graph.py [--triples 1200000] [--names 1000000] [--quick]

`names`: IRIs in full, cut by a vocabulary of 131,072 tokens where mistral-common is installed,
else by the shipped one; masks along random names, among all and among 100,000 of them. `build`: a
made graph (`made_graph.py`). `walks`: random patterns at the level `nonempty`, each position
chosen among its candidates; `cycles`: triangles and squares of patterns. CPU time, since the
machine is shared; wall time beside it.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import made_graph
import numpy as np
import tekken
from numpy.typing import NDArray
from rows import Rows, Skipped, parser, say
from timing import spread

from tether.grammars.constraint import Mask
from tether.grammars.vocabulary import Vocabulary
from tether.graphs import Candidates, Name, Place, Position, Ranks, Term, Triple, Variable
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.lookup import Lookup
from tether.grounding.graph.reading import Source
from tether.grounding.graph.scope import FactsScope
from tether.grounding.graph.trie import Trie, write_trie

_SHIPPED = Path(__file__).resolve().parents[1] / "decoding" / "builtin" / "model"
_CANDIDATES = 100_000
_STEPS, _WALKS, _CYCLES = 20_000, 600, 150
_POSITIONS: tuple[Position, ...] = ("subject", "predicate", "object")
_SHARES = {"subject": 0.85, "predicate": 0.02, "object": 0.8}
"""How often a walk takes a variable."""
_RINGS = (
    ("knows", "knows", "knows"),
    ("knows", "livesIn", "-livesIn"),
    ("likes", "-wrote", "knows"),
    ("knows", "knows", "knows", "knows"),
    ("knows", "likes", "-likes"),
    ("likes", "-likes", "livesIn", "-livesIn"),
)


def main() -> None:
    """All rows."""
    shared = parser(__doc__)
    shared.add_argument("--triples", type=int, default=1_200_000)
    shared.add_argument("--names", type=int, default=1_000_000)
    given = shared.parse_args()
    results = Rows("graph", quick=given.quick)
    with tempfile.TemporaryDirectory() as folder:
        _Names(results, 20_000 if given.quick else given.names).run(Path(folder))
        _Facts(results, 20_000 if given.quick else given.triples).run(Path(folder))


class _Names:
    """A trie of so many IRIs."""

    def __init__(self, results: Rows, count: int) -> None:
        self._results, self._count = results, count

    def run(self, folder: Path) -> None:
        """Build, open, walk."""
        vocabulary, which = _vocabulary()
        texts = [f" <{_iri(number)}>" for number in range(self._count)]
        began = time.process_time()
        sequences = [vocabulary.encode(text) for text in texts]
        cut = time.process_time() - began
        began = time.process_time()
        write_trie(folder, sequences)
        built = time.process_time() - began
        held = sum(path.stat().st_size for path in folder.iterdir())
        opened = [_cpu(lambda: Trie(folder))[0] * 1e3 for _ in range(5)]
        figures = {
            "tokenise_cpu_s": spread([cut]),
            "trie_cpu_s": spread([built]),
            "bytes_a_name": spread([held / self._count]),
            "tokens_a_name": spread([sum(map(len, sequences)) / self._count]),
            "open_ms": spread(opened),
        }
        size = min(_CANDIDATES, self._count)
        chosen = np.random.default_rng(0).choice(self._count, size, replace=False)
        among = np.sort(chosen).astype(np.uint32)
        trie = Trie(folder)
        figures |= _masks("all", trie, vocabulary, np.arange(self._count, dtype=np.uint32))
        figures |= _masks("among_100k", trie, vocabulary, among)
        case = {"part": "names", "names": self._count, "vocabulary": which}
        say(f"names: {figures}")
        self._results.add(case, figures, settings={"candidates": len(among)})


def _masks(what: str, trie: Trie, vocabulary: Vocabulary, among: Ranks) -> dict[str, Any]:
    """Costs of masks along random names among some; the union with a grammar's mask is included."""
    rng, spent = random.Random(1), []
    words: Mask = np.zeros(vocabulary.num_words, np.int32)
    place: Place = trie.start()
    chosen = None if len(among) == trie.num_names else among
    for _ in range(_STEPS):
        began = time.thread_time_ns()
        tokens = trie.tokens(place, chosen)
        _allow(words, tokens)
        spent.append((time.thread_time_ns() - began) / 1e3)
        following = trie.step(place, int(rng.choice(tokens))) if len(tokens) else None
        place = trie.start() if following is None else following
    return {f"mask_{what}_us": _percentiles(spent)}


def _allow(words: Mask, tokens: NDArray[np.int64]) -> None:
    np.bitwise_or.at(words.view(np.uint32), tokens >> 5, np.uint32(1) << (tokens & 31).astype("u4"))


class _Facts:
    """A made graph of so many triples."""

    def __init__(self, results: Rows, count: int) -> None:
        self._results, self._count = results, count
        self._rng = random.Random(0)
        self._spent: dict[str, list[float]] = {}

    def run(self, folder: Path) -> None:
        """Build, open, walk in trees and in cycles."""
        data, path = folder / "made.ttl", folder / "graph"
        made_graph.write(data, self._count)
        stages = _Stages()
        build(path, Source([data]), progress=stages)
        graph = Graph.open(path)
        vocabulary = Vocabulary.from_file(_SHIPPED)
        look = graph.lookup(vocabulary.key, vocabulary.encode, progress=stages)
        stages.end()
        opened = [_cpu(lambda: Graph.open(path))[0] * 1e3 for _ in range(5)]
        num = graph.facts.num_triples
        case = {"part": "build", "triples": num, "names": len(look.names)}
        figures = {f"{name}_cpu_s": spread([seconds]) for name, seconds in stages.spent.items()}
        for name, part in Graph.open(path).manifest.parts.items():
            size = sum(file.bytes for file in part.files.values())
            figures[f"{name.partition('-')[0]}_bytes_a_triple"] = spread([size / num])
        self._add(case, {**figures, "open_ms": spread(opened)})
        self._walks("walks", num, lambda: self._walk(look), _WALKS)
        self._walks("cycles", num, lambda: self._ring(look), _CYCLES)
        graph.close()

    def _walks(self, part: str, triples: int, walk: Callable[[], str], count: int) -> None:
        self._spent = {}
        ends = [walk() for _ in range(count)]
        figures = {name: _percentiles(values) for name, values in self._spent.items()}
        shares = {end: spread([ends.count(end) / count]) for end in sorted(set(ends))}
        self._add({"part": part, "triples": triples}, {**figures, **shares})

    def _add(self, case: dict[str, Any], figures: dict[str, Any]) -> None:
        say(f"{case}: {figures}")
        self._results.add(case, figures, settings={})

    def _walk(self, look: Lookup) -> str:
        """One to five patterns; how it ended."""
        scope, taken = look.scope("nonempty"), 0
        for _ in range(self._rng.randint(1, 5)):
            triple = Triple()
            for position in _POSITIONS:
                with self._timed("candidates"):
                    found = scope.candidates(triple, position)
                term = self._pick(found, position, taken)
                if term is None:
                    return "dead"
                taken += isinstance(term, Variable)
                triple = triple._replace(**{position: term})
            longer = self._added(scope, triple)
            if longer is None:
                return "refused"
            scope = longer
        return scope.reached

    def _pick(self, found: Candidates, position: Position, taken: int) -> Term | None:
        variables = [Variable(name) for name in sorted(found.variables)]
        variables += [Variable(f"v{taken}")] if found.fresh else []
        is_variable = self._rng.random() < _SHARES[position] or not len(found.ranks)
        if variables and is_variable:
            return self._rng.choice(variables)
        return Name(int(self._rng.choice(found.ranks))) if len(found.ranks) else None

    def _ring(self, look: Lookup) -> str:
        """Patterns that close a ring, beside a random walk's first one."""
        scope: FactsScope | None = look.scope("nonempty")  # type: ignore[assignment]
        edges = self._rng.choice(_RINGS)
        for number, edge in enumerate(edges):
            rank = look.names.rank(f":{edge.removeprefix('-')}")
            ends = [Variable(f"v{number}"), Variable(f"v{(number + 1) % len(edges)}")]
            if edge.startswith("-"):
                ends.reverse()
            assert scope is not None
            assert rank is not None
            scope = self._added(scope, Triple(ends[0], Name(rank), ends[1]))
            if scope is None:
                return "refused"
        assert scope is not None
        return scope.reached

    def _added(self, scope: Any, triple: Triple) -> Any:  # noqa: ANN401
        with self._timed("commit"):
            return scope.add(triple)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.thread_time()
        yield
        self._spent.setdefault(f"{what}_cpu_ms", []).append((time.thread_time() - cpu) * 1e3)
        self._spent.setdefault(f"{what}_wall_ms", []).append((time.perf_counter() - wall) * 1e3)


class _Stages:
    """Progress that keeps the CPU time of each stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._name, self._began = "", 0.0

    def stage(self, what: str, total: int) -> Callable[[int], None]:
        """End the stage before, begin this one."""
        self.end()
        self._name, self._began = what, time.process_time()
        return lambda done: None

    def end(self) -> None:
        """End the stage."""
        if self._name:
            self.spent[self._name] = time.process_time() - self._began


def _vocabulary() -> tuple[Vocabulary, str]:
    try:
        return Vocabulary.from_file(tekken.directory()), "tekken"
    except Skipped:
        return Vocabulary.from_file(_SHIPPED), "shipped"


def _iri(number: int) -> str:
    """IRIs as graphs have them: numbers, and words with a number."""
    if number % 2:
        return f"http://www.wikidata.org/entity/Q{number * 977 % 100_000_007}"
    first, last = made_graph.NAMES[0], made_graph.NAMES[1]
    name = f"{first[number // 2 % len(first)]}_{last[number // 20 % len(last)]}_{number}"
    return f"https://data.example.org/resource/{name}"


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    """Mean, median and the high end of many costs."""
    mean, p50, p99 = float(np.mean(values)), *np.percentile(values, [50, 99])
    high = {"mean": mean, "median": p50, "p99": p99, "max": max(values)}
    return {**{name: float(f"{value:.4g}") for name, value in high.items()}, "n": len(values)}


def _cpu(call: Callable[[], object]) -> tuple[float, object]:
    began = time.process_time()
    made = call()
    return time.process_time() - began, made


if __name__ == "__main__":
    main()
