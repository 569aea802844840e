"""The dense part of an index: a vector a passage, and how the nearest are found.

    vectors.npy        float32 [passages, width] of length 1, in the order of the passages
    lists.faiss        inverted lists, where there are too many vectors to compare them all
    whitening.npy      where the embedder was not trained for likeness

The vectors are the truth; lists only choose candidates, whose scores are always inner products of
whole vectors. Files are mapped into memory, not read. How they are made: `dense_maker.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tether.errors import UnavailableError
from tether.grounding.index import lists
from tether.grounding.index.embed import Embedder, Vectors
from tether.grounding.index.layout import Part
from tether.grounding.index.strings import damaged, load_array
from tether.grounding.index.whitening import Whitening

NAME = "dense"
VECTORS, LISTS, WHITENING = "vectors.npy", "lists.faiss", "whitening.npy"
REFINED = 16
"""Candidates by codes for each result; whole vectors choose among them."""


class Dense:
    """The dense part, opened for searching.

    Attributes:
        facts: See `dense_maker.write`.
        vectors: float32 [passages, width].
        whitening: What was done to them; None for nothing.
        inverted: The lists where they lie, for searching; None of the kind "flat".

    Raises:
        UnavailableError: A file is damaged.
    """

    def __init__(self, part: Part) -> None:
        self.facts = part.facts
        self._folder = part.folder
        self.vectors: Vectors = load_array(part.folder / VECTORS, "float32", 2)
        if self.vectors.shape != (self.facts["passages"], self.facts["width"]):
            raise damaged(part.folder / VECTORS, f"its shape is {self.vectors.shape}")
        whitened = WHITENING in part.files
        self.whitening = Whitening.load(part.folder / WHITENING) if whitened else None
        flat = self.facts["kind"] == "flat"
        self.inverted = None if flat else lists.load(part.folder / LISTS, self.facts["probes"])

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

        Args:
            queries: float32 [queries, width], embedded and whitened as the vectors were.
            count: Passages wanted for each.
        """
        count = min(count, len(self.vectors))
        if not count:
            shape = (len(queries), 0)
            return np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        if self.inverted is None:
            return _best(*lists.all_pairs(queries, self.vectors, count), count)
        wanted = count * (REFINED if self.facts["kind"] == "ivf-pq" else 1)
        found = lists.nearest(self.inverted, queries, min(wanted, len(self.vectors)))
        cosines = np.einsum("qnw,qw->qn", self.vectors[found], queries)
        return _best(found, np.where(found < 0, -np.inf, cosines).astype(np.float32), count)

    def require(self, embedder: Embedder) -> None:
        """Refuse an embedder that did not make these vectors.

        Raises:
            UnavailableError: The hint names the one that did.
        """
        if embedder.fingerprint == self.facts["fingerprint"]:
            return
        made_by = self.facts["embedder"]
        raise UnavailableError(
            f"The index holds vectors of the embedder {made_by} as it was when they were made, "
            f"not of {embedder.name} as it is now.",
            hint=f"Use --embedder {made_by}"
            + (" and the --model of the build" if made_by.startswith("hidden") else "")
            + ", or build the index again.",
        )

    def trained(self) -> lists.Index:
        """The lists in memory, to be added to; there are none of the kind "flat"."""
        return lists.load(self._folder / LISTS, self.facts["probes"], mapped=False)


def _best(ids: NDArray[np.int64], scores: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    """The `count` best of each row, equal scores by id."""
    order = np.lexsort((ids, -scores), axis=1)[:, :count]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
