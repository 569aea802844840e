"""The dense part of an index: a vector a passage, and how the nearest are found.

    vectors.npy        float32 [passages, width] of length 1, in the order of the passages, mapped
    lists.faiss        inverted lists, where there are too many vectors to compare them all
    whitening.npy      where the embedder was not trained for likeness

The vectors are the truth; lists only choose candidates, whose scores are always inner products of
whole vectors. So results of "ivf-pq" are ranked as those of "flat", and passages that go or stay
cost no embedding: their vectors are copied. Places in the file are the passages' ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tether.errors import UnavailableError
from tether.grounding.index import lists
from tether.grounding.index.embed import Embedder, Vectors
from tether.grounding.index.whitening import Whitening

NAME = "dense"
REFINED = 16
"""Candidates by codes for each result; whole vectors choose among them."""

_VECTORS, _LISTS, _WHITENING = "vectors.npy", "lists.faiss", "whitening.npy"
_BLOCK = 1024  # passages embedded at once, and vectors copied at once
_WHITENED_ON = 4096  # passages


class Texts(Protocol):
    """The texts of all passages by id; read a few at a time."""

    def __len__(self) -> int: ...

    def __getitem__(self, passage: int, /) -> str: ...


class Dense:
    """Vectors of an index, opened for searching. Files are mapped, not read.

    Args:
        folder: The part's folder.
        facts: What `write` gave for it.

    Raises:
        UnavailableError: A file is damaged.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        try:
            self.vectors: Vectors = np.load(folder / _VECTORS, mmap_mode="r", allow_pickle=False)
            whitened = (folder / _WHITENING).is_file()
            self.whitening = Whitening.load(folder / _WHITENING) if whitened else None
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"The vectors in {folder} cannot be read: {error}.", hint="Build the index again."
            ) from error
        self._lists_file = folder / _LISTS
        self._lists: lists.Index | None = None

    def search(
        self, embedder: Embedder, questions: Sequence[str], count: int
    ) -> tuple[NDArray[np.int64], Vectors]:
        """The passages nearest to each question: see `nearest`.

        Raises:
            UnavailableError: The vectors were made by another embedder.
        """
        self.require(embedder)
        vectors = embedder.embed(questions, question=True)
        return self.nearest(self.whitening(vectors) if self.whitening else vectors, count)

    def nearest(self, queries: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
        """Ids int64 [queries, n] and cosines float32 [queries, n], best first, ties by id.

        n is `count`, or the number of passages where that is less; a place that lists could not
        fill has the id -1 and the cosine -inf.
        """
        count = min(count, len(self.vectors))
        if self.facts["kind"] == "flat":
            return _all_pairs(queries, self.vectors, count)
        wanted = count * (REFINED if self.facts["kind"] == "ivf-pq" else 1)
        found = lists.nearest(self._opened(), queries, min(wanted, len(self.vectors)))
        exact = np.einsum("qnw,qw->qn", self.vectors[found], queries)
        return _best(found, np.where(found < 0, -np.inf, exact).astype(np.float32), count)

    def require(self, embedder: Embedder) -> None:
        """Refuse an embedder that did not make these vectors.

        Raises:
            UnavailableError: The hint names the one that did.
        """
        if embedder.fingerprint != self.facts["fingerprint"]:
            raise UnavailableError(
                f"The index holds vectors of the embedder {self.facts['embedder']}, "
                f"not of {embedder.name} as it is now.",
                hint=f"Search with --embedder {self.facts['embedder']} as it was when the index "
                "was built, or build the index again.",
            )

    def _opened(self) -> lists.Index:
        if self._lists is None:
            self._lists = lists.load(self._lists_file, self.facts["probes"])
        return self._lists

    def trained(self) -> lists.Index | None:
        """The lists in memory, to be added to; None where all pairs are compared."""
        if self.facts["kind"] == "flat":
            return None
        return lists.load(self._lists_file, self.facts["probes"], mapped=False)


def write(
    folder: Path,
    texts: Texts,
    embedder: Embedder,
    old: Dense | None = None,
    kept: NDArray[np.int64] | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Write the dense part of `texts` into an empty folder; its facts.

    Args:
        folder: The new part's folder.
        texts: All passages; the first of them may be kept ones.
        embedder: Makes the vectors.
        old: The part before a change. Its whitening and its trained lists are kept, until there
            are four times as many vectors as they were trained for, or a quarter.
        kept: The old ids of the first passages of `texts`, ascending; their vectors are copied.
        progress: Told how many vectors were written since the last call.

    Raises:
        UnavailableError: `old` was made by another embedder.
        OSError: The disk is full, or the like.
    """
    kept = np.zeros(0, np.int64) if old is None or kept is None else kept
    whitening = old.whitening if old else None
    if old is not None:
        old.require(embedder)
    elif not embedder.learned and len(texts):
        whitening = _fit(texts, embedder)
    if whitening is not None:
        whitening.save(folder / _WHITENING)
    with (folder / _VECTORS).open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(texts), embedder.width)}
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        for start in range(0, len(kept), _BLOCK):
            assert old is not None
            rows = old.vectors[kept[start : start + _BLOCK]]
            file.write(rows.astype("<f4").tobytes())
            progress(len(rows))
        for start in range(len(kept), len(texts), _BLOCK):
            block = [texts[i] for i in range(start, min(start + _BLOCK, len(texts)))]
            vectors = embedder.embed(block)
            vectors = whitening(vectors) if whitening else vectors
            file.write(vectors.astype("<f4").tobytes())
            progress(len(block))
    plan, trained = _write_lists(folder, old, kept)
    return {
        "embedder": embedder.name,
        "fingerprint": embedder.fingerprint,
        "width": embedder.width,
        "count": len(texts),
        "kind": plan.kind,
        "lists": plan.lists,
        "probes": plan.probes,
        "codes": plan.codes,
        "trained_for": trained,
    }


def _write_lists(
    folder: Path, old: Dense | None, kept: NDArray[np.int64]
) -> tuple[lists.Plan, int]:
    """Lists over the vectors just written, where there are enough; how many they were trained for.

    Lists of an old part are used again where they fit; ids are places, so that where a passage
    before others went, all are put into the lists anew.
    """
    vectors: Vectors = np.load(folder / _VECTORS, mmap_mode="r", allow_pickle=False)
    plan = lists.plan(len(vectors), vectors.shape[1])
    if plan.kind == "flat":
        return plan, 0
    index, trained = None, len(vectors)
    if old is not None and old.facts["kind"] == plan.kind:
        before = old.facts["trained_for"]
        if len(vectors) < 4 * before and before < 4 * len(vectors):
            index, trained = old.trained(), before
            plan = lists.Plan(plan.kind, *(old.facts[n] for n in ("lists", "probes", "codes")))
            if len(kept) < len(old.vectors):
                index.reset()  # type: ignore[union-attr]
    if index is None:
        index = lists.train(vectors, plan)
    lists.add(index, vectors)
    lists.save(index, folder / _LISTS)
    return plan, trained


def _fit(texts: Texts, embedder: Embedder) -> Whitening:
    """Whitening fitted on a seeded sample of the passages."""
    size = min(len(texts), _WHITENED_ON)
    chosen = np.random.default_rng(0).choice(len(texts), size, replace=False)
    chosen.sort()
    parts = [
        embedder.embed([texts[int(i)] for i in chosen[start : start + _BLOCK]])
        for start in range(0, size, _BLOCK)
    ]
    return Whitening.fit(np.concatenate(parts))


def _all_pairs(queries: Vectors, vectors: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    """The exact answer, by FAISS over the mapped file: nothing is copied."""
    import faiss

    if not count:
        shape = (len(queries), 0)
        return np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    scores, ids = faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT)
    return _best(ids, scores, count)


def _best(ids: NDArray[np.int64], scores: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    """The `count` best of each row, equal scores by id."""
    order = np.lexsort((ids, -scores), axis=1)[:, :count]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
