"""An index opened for searching: one question in, the best passages out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tether.errors import UnavailableError, UsageError
from tether.grounding.index.by_words import ByWords, open_part
from tether.grounding.index.fusion import fuse
from tether.grounding.index.layout import PASSAGES, Manifest, open_manifest
from tether.grounding.index.store import Passages
from tether.grounding.passages import Passage

if TYPE_CHECKING:
    from tether.grounding.index.dense import Dense
    from tether.grounding.index.embed import Embedder

Mode = Literal["auto", "bm25", "dense", "hybrid"]

_FUSED = 100
"""Places of each ranking that fusion looks at, at least."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, with its score.

    Scores order the hits of one search; they are sums of BM25 weights, cosines, or sums of
    reciprocal ranks, by the mode.
    """

    passage: Passage
    score: float


class Index:
    """An index of passages, read where it lies. Many may read it while one process writes it.

    Its files are mapped when it is opened, so that it stays as it was when a writer replaces it.

    Attributes:
        path: The folder.
        manifest: What the index held when it was opened.
        passages: All passages, by id.
    """

    def __init__(self, manifest: Manifest) -> None:
        manifest.check("size")
        self.path = manifest.path
        self.manifest = manifest
        self.passages = Passages(manifest.part(PASSAGES).folder)
        self._lexical = open_part(manifest.part("lexical")) if manifest.has("lexical") else None
        self._dense = _dense(manifest) if manifest.has("dense") else None

    @classmethod
    def open(cls, path: str | Path) -> Index:
        """Open an index; costs milliseconds whatever its size.

        Sizes of files are checked here, their contents by `tether index verify`.

        Raises:
            UnavailableError: There is no index, or it is damaged, foreign or of a newer format.
        """
        manifest = open_manifest(Path(path))
        try:
            return cls(manifest)
        except UnavailableError:
            again = open_manifest(Path(path))
            if again.generation == manifest.generation:
                raise
            return cls(again)  # a writer had removed what the older manifest names

    def __len__(self) -> int:
        """How many passages there are."""
        return len(self.passages)

    @property
    def lexical(self) -> ByWords:
        """The lexical part.

        Raises:
            UnavailableError: There is none.
        """
        return self._lexical or open_part(self.manifest.part("lexical"))

    @property
    def dense(self) -> Dense:
        """The dense part.

        Raises:
            UnavailableError: There is none.
        """
        return self._dense or _dense(self.manifest)

    @property
    def usual(self) -> Literal["bm25", "hybrid"]:
        """What searches this index best: hybrid where a learned embedder made vectors, else bm25.

        Vectors of a model's own states find less than words do, and fused they take away from what
        words find (rows of `benchmarks/retrieval.py`).
        """
        return "hybrid" if self._dense is not None and self._dense.facts["learned"] else "bm25"

    def search(
        self, question: str, k: int = 10, mode: Mode = "auto", embedder: Embedder | None = None
    ) -> list[Hit]:
        """The `k` best passages for a question, best first, ties by id; fewer if fewer fit at all.

        Args:
            question: Any text.
            k: How many, 1 or more.
            mode: "bm25" by words, "dense" by vectors, "hybrid" by both, fused by reciprocal rank;
                "auto" is what `usual` says where an embedder is given, else bm25.
            embedder: The one that made the vectors.

        Raises:
            UnavailableError: The index has no vectors, or they are another embedder's.
            UsageError: `k` is less than 1, or the mode needs an embedder and there is none.
        """
        if k < 1:
            raise UsageError(f"{k} passages cannot be searched for.", hint="Ask for 1 or more.")
        ranking = self._ranking(question, k, mode, embedder)[:k]
        found = self.passages.get(number for number, _ in ranking)
        return [Hit(p, score) for p, (_, score) in zip(found, ranking, strict=True)]

    def _ranking(
        self, question: str, k: int, mode: Mode, embedder: Embedder | None
    ) -> list[tuple[int, float]]:
        if mode == "auto":
            mode = "bm25" if embedder is None else self.usual
        if mode == "bm25":
            return self.lexical.search(question, k)
        if mode == "dense":
            return self._nearest(question, k, embedder)
        depth = max(k, _FUSED)
        rankings = (self.lexical.search(question, depth), self._nearest(question, depth, embedder))
        return fuse([number for number, _ in ranking] for ranking in rankings)

    def _nearest(self, question: str, k: int, embedder: Embedder | None) -> list[tuple[int, float]]:
        dense = self.dense
        if embedder is None:
            raise UsageError(
                "A search by vectors needs the embedder that made them.",
                hint=f"Name it: --embedder {dense.facts['embedder']}.",
            )
        ids, scores = dense.search(embedder, [question], k)
        pairs = zip(ids[0].tolist(), scores[0].tolist(), strict=True)
        return [(number, score) for number, score in pairs if number >= 0]


def _dense(manifest: Manifest) -> Dense:
    from tether.grounding.index.dense import Dense  # imports FAISS

    return Dense(manifest.part("dense"))
