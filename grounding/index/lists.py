"""Inverted lists by FAISS: where in a large set of vectors to look. Knows vectors, not passages.

What is found is only a choice of candidates; `dense.py` scores them by the vectors themselves.
FAISS is imported where it is used: it takes longer than opening an index.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tether.errors import UnavailableError
from tether.grounding.index.embed import Vectors

Kind = Literal["flat", "ivf-flat", "ivf-pq"]
Index = Any
"""A FAISS index; the library is untyped."""

FLAT_UP_TO = 50_000
FULL_UP_TO = 250_000
_PROBED = 32  # one list in so many is read
_PER_LIST = 48  # vectors that a list is trained on; FAISS asks for 39 at least
_MOST_CODES = 96
_BLOCK = 16_384


@dataclass(frozen=True, slots=True)
class Plan:
    """How so many vectors are searched.

    Attributes:
        kind: "flat": all are compared. "ivf-flat": those of the nearest lists. "ivf-pq": the same
            by product codes, and the best of them by the vectors.
        lists: Lists that the vectors are parted into.
        probes: Lists that a search reads.
        codes: Bytes that "ivf-pq" keeps of a vector.
    """

    kind: Kind
    lists: int = 0
    probes: int = 0
    codes: int = 0


def plan(count: int, width: int) -> Plan:
    """The rule: flat up to 50,000 vectors, whole vectors in lists up to 250,000, then codes.

    There are 2 sqrt(count) lists, so that choosing lists and reading them cost alike, and one in
    32 is read. A code is a byte for every four numbers or more, at most 96 bytes.
    """
    if count <= FLAT_UP_TO:
        return Plan("flat")
    lists = round(2 * math.sqrt(count))
    probes = math.ceil(lists / _PROBED)
    if count <= FULL_UP_TO:
        return Plan("ivf-flat", lists, probes)
    most = min(max(width // 4, 1), _MOST_CODES)
    codes = max(n for n in range(1, most + 1) if width % n == 0)
    return Plan("ivf-pq", lists, probes, codes)


def train(vectors: Vectors, plan: Plan, seed: int = 0) -> Index:
    """An empty index whose lists (and codes) were found on a sample of the vectors [n, width].

    The same vectors, plan and seed give the same lists: one thread, and a sample in their order.
    """
    import faiss

    size = min(len(vectors), max(plan.lists * _PER_LIST, 256 * _PER_LIST))
    chosen = np.random.default_rng(seed).choice(len(vectors), size, replace=False)
    # "np": without polysemous training, which takes seconds a code and is of no use to us.
    inner = "Flat" if plan.kind == "ivf-flat" else f"PQ{plan.codes}np"
    index = faiss.index_factory(
        vectors.shape[1], f"IVF{plan.lists},{inner}", faiss.METRIC_INNER_PRODUCT
    )
    with _one_thread():
        index.train(np.ascontiguousarray(vectors[np.sort(chosen)]))
    return index


def add(index: Index, vectors: Vectors, advance: Callable[[int], None]) -> None:
    """Add those of the vectors [n, width] that the index does not hold yet, by blocks, in order."""
    with _one_thread():
        for start in range(index.ntotal, len(vectors), _BLOCK):
            index.add(np.ascontiguousarray(vectors[start : start + _BLOCK]))
            advance(index.ntotal)


def save(index: Index, path: Path) -> None:
    """Write an index to a file.

    Raises:
        OSError: The disk is full, or the like.
    """
    import faiss

    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:  # of C++; says nothing but its text
        full = "No space left" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, "not written", str(path)) from error


def load(path: Path, probes: int, *, mapped: bool = True) -> Index:
    """An index from a file: its lists stay on disk (`mapped`), or come to memory to be added to.

    Raises:
        UnavailableError: The file is damaged.
    """
    import faiss

    try:
        index: Index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP if mapped else 0)
    except RuntimeError as error:
        raise UnavailableError(
            f"{path} is not a readable FAISS index.", hint="Build the index again."
        ) from error
    index.nprobe = probes
    return index


def all_pairs(queries: Vectors, vectors: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    """Ids and inner products [queries, count] of the nearest by comparing all; copies nothing."""
    import faiss

    scores, ids = faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT)
    return ids, scores


def nearest(index: Index, queries: Vectors, count: int) -> NDArray[np.int64]:
    """Candidates of each query, int64 [queries, count], best first; -1 where there are no more."""
    _, ids = index.search(queries, count)
    found: NDArray[np.int64] = ids
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of one thread come out the same on every run."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
