"""What an endpoint holds, as far as names are concerned: some triples of each predicate.

Kept as a graph of its own. Every triple in it is one of the endpoint's; where the endpoint gave all
that it has, it is whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tether.errors import EvidenceError, OutputError
from tether.grounding.graph import terms
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.build import build
from tether.grounding.graph.layout import SUFFIX
from tether.grounding.graph.reading import Source
from tether.grounding.graph.remote import Endpoint
from tether.grounding.index.maker import Progress, Silent

MOST_PREDICATES, MOST_TRIPLES = 1000, 1000
"""Of an endpoint, and of each predicate."""
_MOST_CLASSES = 1000
_DAY_S = 24 * 3600
_LIMITS = Limits(seconds=60.0, rows=2 * MOST_TRIPLES, cells=8 * MOST_TRIPLES)
_NOTE = "summary.json"
_SPACE = re.compile("^<(.*[#/])")


def summary(endpoint: Endpoint, cache: Path, progress: Progress | None = None) -> tuple[Path, bool]:
    """The folder of an endpoint's summary, and whether it is all that the endpoint has.

    It is made anew where it is older than a day.

    Raises:
        EvidenceError: The endpoint holds no triples.
        LimitReached: The endpoint takes too long to say what it holds.
        OutputError: The summary cannot be kept.
        UnavailableError: The endpoint cannot be asked.
    """
    kept = cache / "endpoints" / (hashlib.sha256(endpoint.url.encode()).hexdigest()[:24] + SUFFIX)
    note = kept / _NOTE
    if not _is_fresh(note):
        try:
            _make(endpoint, kept, progress or Silent())
        except OSError as error:
            raise OutputError.from_os(
                f"What {endpoint.url} holds cannot be kept at {kept}", error
            ) from error
    return kept, bool(json.loads(note.read_text())["whole"])


def _is_fresh(note: Path) -> bool:
    return note.exists() and time.time() - note.stat().st_mtime <= _DAY_S


def _make(endpoint: Endpoint, kept: Path, progress: Progress) -> None:
    """Build aside, then rename; where another process was faster, its summary is as good."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        data, made = Path(folder) / "summary.nt", Path(folder) / "graph"
        asked = _Asked(endpoint)
        with data.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{triple} .\n" for triple in asked.triples(progress))
        if not data.stat().st_size:
            raise EvidenceError(
                f"{endpoint.url} holds no triples.", hint="Is it the address that you meant?"
            )
        build(made, Source([data]), prefixes=asked.prefixes, progress=progress)
        (made / _NOTE).write_text(json.dumps({"url": endpoint.url, "whole": asked.is_whole}))
        if not _is_fresh(kept / _NOTE):
            shutil.rmtree(kept, ignore_errors=True)
            made.replace(kept)


class _Asked:
    """What an endpoint says when it is asked for all that it has, up to limits."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._spaces = Counter[str]()
        self.is_whole = True

    @property
    def prefixes(self) -> list[tuple[str, str]]:
        """The empty prefix for the namespace of most subjects; endpoints declare none."""
        return [("", space) for space, _ in self._spaces.most_common(1)]

    def triples(self, progress: Progress) -> Iterator[str]:
        """N-Triples, some of them twice."""
        found = self._rows("?p", "?s ?p ?o", MOST_PREDICATES, distinct=True)
        advance = progress.stage("asking", len(found))
        for number, (predicate,) in enumerate(found):
            for subject, other in self._rows("?s ?o", f"?s {predicate} ?o", MOST_TRIPLES):
                self._spaces.update(_SPACE.findall(subject))
                yield f"{subject} {predicate} {other}"
            advance(number + 1)
        yield from self._classes()

    def _classes(self) -> Iterator[str]:
        """One thing of each class."""
        query = f"SELECT ?c (SAMPLE(?x) AS ?s) {{ ?x {terms.TYPE} ?c }} GROUP BY ?c"
        for name, one in self._answer(f"{query} LIMIT {_MOST_CLASSES}"):
            yield f"{one} {terms.TYPE} {name}"

    def _rows(
        self, shown: str, pattern: str, most: int, *, distinct: bool = False
    ) -> list[list[str]]:
        """Rows up to a number; whether there are more is noted."""
        word = "DISTINCT " if distinct else ""
        found = self._answer(f"SELECT {word}{shown} {{ {pattern} }} LIMIT {most + 1}")
        self.is_whole &= len(found) <= most
        return found[:most]

    def _answer(self, query: str) -> list[list[str]]:
        """The rows without blank nodes: in two answers the same name may be two of them."""
        rows = self._endpoint.rows(query, _LIMITS).rows
        named = [[t for t in row if t and not t.startswith("_:")] for row in rows]
        whole = [row for row, given in zip(named, rows, strict=True) if len(row) == len(given)]
        self.is_whole &= len(whole) == len(rows)
        return whole
