"""Indexes: what a million passages cost to index and to search.

The corpus is generated (`made_corpus.py`). Built once; then the same questions are asked by words,
by vectors and by both, and the lists' answers are held against comparing all vectors.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from made_corpus import MadeCorpus, WordVectors
from numpy.typing import NDArray
from rows import Rows, parser, say
from timing import Figures, spread, spreads

from tether.grounding.index import Index, lists
from tether.grounding.index.build import add, build, delete
from tether.grounding.index.dense_maker import DenseMaker
from tether.grounding.index.inverted import InvertedMaker
from tether.grounding.index.layout import open_manifest
from tether.grounding.index.lexical import LexicalMaker
from tether.grounding.index.maker import Maker, Progress, Silent
from tether.grounding.index.search import Mode
from tether.grounding.index.store import Passages
from tether.grounding.index.writing import Edit, editing

_K, _ROUNDS, _QUESTIONS = 10, 3, 300
_MODES: tuple[Mode, ...] = ("bm25", "dense", "hybrid")
_STEPS = ("build", "search", "recall", "change", "tantivy")
_TOKENIZER = Path(__file__).resolve().parents[1] / "decoding" / "builtin" / "model/tokenizer.json"

Ids = NDArray[np.int64]


class _Timed:
    """A maker whose time is kept."""

    def __init__(self, maker: Maker) -> None:
        self.name, self._maker = maker.name, maker
        self.seconds = 0.0

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        began = time.perf_counter()
        self._maker.make(edit, passages, kept, progress)
        self.seconds = time.perf_counter() - began


def main() -> None:
    """Take the steps that are asked for, in their order."""
    shared = parser(__doc__)
    shared.add_argument("--passages", type=int, default=1_000_000)
    shared.add_argument("--index", type=Path, help="where the index is or is made; it stays")
    shared.add_argument("--steps", nargs="+", choices=_STEPS, default=_STEPS)
    given = shared.parse_args()
    corpus = MadeCorpus(2000 if given.quick else given.passages)
    results = Rows("index", quick=given.quick)
    embedder = WordVectors()
    with tempfile.TemporaryDirectory() as folder:
        path = given.index or Path(folder) / "kb"
        makers = [_Timed(LexicalMaker()), _Timed(DenseMaker(lambda: embedder))]
        bench = _Bench(results, path, corpus, embedder, makers)
        for step in _STEPS:
            if step in given.steps:
                getattr(bench, step)()


class _Bench:
    """One corpus under one index."""

    def __init__(
        self,
        results: Rows,
        path: Path,
        corpus: MadeCorpus,
        embedder: WordVectors,
        makers: list[_Timed],
    ) -> None:
        self._results, self._path, self._corpus = results, path, corpus
        self._embedder, self._makers = embedder, makers

    def search(self) -> None:
        """What opening and searching cost, and what a search finds."""
        began, before = time.perf_counter(), _own_mib()
        index = Index.open(self._path)
        opened = (time.perf_counter() - began) * 1000
        figures = {"open_ms": opened, "open_own_mib": _own_mib() - before}
        for mode in _MODES:
            self._search(index, mode)
            figures[f"{mode}_own_mib"] = _own_mib() - before
        figures["peak_mib"] = _peak_mib()
        self._add("open", spreads([figures]))

    def recall(self) -> None:
        """What the lists miss, at several probes."""
        self._recall(Index.open(self._path), [text for text, _ in self._questions])

    def _add(self, part: str, figures: dict[str, dict[str, float]], **settings: object) -> None:
        say(f"{part}: {figures}")
        case = {"part": part, "passages": self._corpus.count}
        self._results.add(case, figures, settings={"k": _K, "width": 384, **settings})

    def build(self) -> None:
        """What the index costs to make."""
        documents, began = self._corpus.documents(), time.process_time()
        seconds = _seconds(lambda: build(self._path, documents, self._makers, tokenizer=_TOKENIZER))
        by_part = {maker.name: maker.seconds for maker in self._makers}
        by_part["passages"] = seconds - sum(by_part.values())
        figures = {f"{name}_s": spread([value]) for name, value in by_part.items()}
        figures["build_cpu_s"] = spread([time.process_time() - began])
        opened = _seconds(lambda: Index.open(self._path))
        manifest = Index.open(self._path).manifest
        for name, part in manifest.parts.items():
            size = sum(file.bytes for file in part.files.values())
            figures[f"{name}_mib"] = spread([size / 2**20])
        figures |= {"build_s": spread([seconds]), "open_ms": spread([opened * 1000])}
        figures["peak_mib"] = spread([_peak_mib()])
        self._add("build", figures, **manifest.parts["dense"].facts)

    @cached_property
    def _questions(self) -> list[tuple[str, str]]:
        return self._corpus.questions(min(_QUESTIONS, self._corpus.count))

    def _search(self, index: Index, mode: Mode) -> None:
        """Latency of one question after another, and how often its passage is found."""
        self._add(mode, self._asked(index, mode), questions=len(self._questions))

    def _asked(self, index: Index, mode: Mode) -> dict[str, dict[str, float]]:
        questions = self._questions
        rounds: list[Figures] = []
        for number in range(1 + _ROUNDS):  # the first is not counted
            spent, cpu, found = [], [], 0
            for text, wanted in questions:
                began, busy = time.perf_counter(), time.process_time()
                hits = index.search(text, _K, mode, self._embedder)
                spent.append((time.perf_counter() - began) * 1000)
                cpu.append((time.process_time() - busy) * 1000)
                found += any(hit.passage.doc == wanted for hit in hits)
            if number:
                figures = {"found": found / len(questions)}
                for name, times in (("ms", spent), ("cpu_ms", cpu)):
                    p50, p99 = np.percentile(times, [50, 99]).tolist()
                    figures |= {f"p50_{name}": p50, f"p99_{name}": p99}
                rounds.append(figures)
        return spreads(rounds)

    def _recall(self, index: Index, questions: list[str]) -> None:
        """Share of the ten nearest by all vectors that the lists give, at several probes."""
        dense, vectors = index.dense, index.dense.vectors
        if dense.inverted is None:
            return
        queries = self._embedder.embed(questions, question=True)
        exact, _ = lists.all_pairs(queries, vectors, _K)
        each = _seconds(lambda: lists.all_pairs(queries[:1], vectors, _K))
        self._add("compare-all", {"first_ms": spread([each * 1000])})
        for probes in sorted({dense.facts["probes"] * step // 4 for step in (1, 2, 4, 8)}):
            dense.inverted.nprobe = probes
            figures: Figures = {
                "recall": _share(dense.nearest(queries, _K)[0], exact),
                "codes_only_recall": _share(lists.nearest(dense.inverted, queries, _K), exact),
                "ms": 1000
                * _seconds(lambda: [dense.nearest(q[None], _K) for q in queries])
                / len(queries),
            }
            self._add(f"lists at {probes} probes", spreads([figures]))

    def change(self) -> None:
        """Add and delete one document in a thousand."""
        self._change("", self._makers)

    def tantivy(self) -> None:
        """The same passages' words by Tantivy: made, searched, changed; vectors go stale by it."""
        maker, began = _Timed(InvertedMaker()), time.process_time()
        with editing(self._path) as edit:
            maker.make(edit, Index.open(self._path).passages, None, Silent())
        part = open_manifest(self._path).parts[maker.name]
        figures = {"s": maker.seconds, "cpu_s": time.process_time() - began}
        figures["mib"] = sum(file.bytes for file in part.files.values()) / 2**20
        figures["open_ms"] = _seconds(lambda: Index.open(self._path)) * 1000
        self._add("tantivy build", spreads([figures]))
        self._add("tantivy bm25", self._asked(Index.open(self._path), "bm25"))
        self._change("tantivy ", [maker])

    def _change(self, prefix: str, makers: list[_Timed]) -> None:
        count = max(self._corpus.count // 1000, 1)
        more = MadeCorpus(count, seed=1).documents()
        new = [type(d)(f"{prefix}n{number}", d.text, d.place) for number, d in enumerate(more)]
        names = Index.open(self._path).passages.names
        gone = [name for name in names[: 3 * count] if name.startswith("p")][:count]
        for name, call in {
            "add": lambda: add(self._path, new, makers),
            "delete": lambda: delete(self._path, gone, makers),
        }.items():
            began = time.process_time()
            figures = {"s": _seconds(call), "cpu_s": time.process_time() - began}
            figures |= {f"{maker.name}_s": maker.seconds for maker in makers}
            figures["peak_mib"] = _peak_mib()
            self._add(prefix + name, spreads([figures]), documents=count)


def _share(found: Ids, wanted: Ids) -> float:
    """Mean share of each row of `wanted` that stands in the same row of `found`."""
    pairs = zip(found.tolist(), wanted.tolist(), strict=True)
    return float(np.mean([len({*a} & {*b}) / len(b) for a, b in pairs]))


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _own_mib() -> float:
    """Memory that this process holds for itself, without mapped files; 0 where nobody says."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else ()
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


def _peak_mib() -> float:
    """The most memory this process ever held; ru_maxrss counts mapped pages too."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


if __name__ == "__main__":
    main()
