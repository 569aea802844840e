"""The lexical part of an index: BM25 over the words of the passages, by bm25s.

The library weighs every word of every passage when the part is made, so that a search only adds up
columns: `data`, `indices` and `indptr` are its sparse matrix, mapped into memory. The vocabulary is
ours (`words`, sorted by its UTF-8 bytes; a word's place is its id): nothing is read to open it.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, in
Lucene's form, k1 = 1.5, b = 0.75: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), and a word that stands
f times in a passage of length d scores idf f / (f + k1 (1 - b + b d / mean d)).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tether.errors import UnavailableError
from tether.grounding.index.layout import Part
from tether.grounding.index.maker import Progress
from tether.grounding.index.store import Passages
from tether.grounding.index.strings import (
    Strings,
    StringWriter,
    blocks,
    damaged,
    load_array,
    save_array,
)
from tether.grounding.index.writing import Edit
from tether.grounding.words import words

NAME = "lexical"
K1 = 1.5
B = 0.75
WORDS_FORM = 1
"""Counts the changes of what a word is; parts of another form are refused."""

_BLOCK = 4096  # passages between two reports of progress


class Lexical:
    """The lexical part, opened for searching; see `by_words.ByWords`.

    Raises:
        UnavailableError: A file is damaged, or its words were cut by other rules.
    """

    def __init__(self, part: Part) -> None:
        require_form(part)
        self._num_passages = int(part.facts["passages"])
        self.vocabulary = Strings(part.folder, "words")
        self.counts: Mapping[str, int] = {
            "passages": self._num_passages,
            "words": len(self.vocabulary),
        }
        self._matrix = _open(part.folder) if self.vocabulary else {}

    def search(self, question: str, count: int) -> list[tuple[int, float]]:
        """Ids and scores of the best passages with a word of the question, ties by id."""
        ids = [self._id(word) for word in words(question)]
        known = [number for number in ids if number >= 0]
        return _best(self._scorer.get_scores_from_ids(known), count) if known else []

    @cached_property
    def _scorer(self) -> Any:  # noqa: ANN401  # the library is untyped
        import bm25s  # slow: not before the first search

        scorer = bm25s.BM25(k1=K1, b=B, method="lucene")
        scorer.scores = {**self._matrix, "num_docs": self._num_passages}
        scorer.nonoccurrence_array = None  # this form of BM25 has none
        return scorer

    def _id(self, word: str) -> int:
        """The id of a word; -1 where no passage has it."""
        data = word.encode("utf-8")
        place = bisect_left(range(len(self.vocabulary)), data, key=self.vocabulary.bytes)
        found = place < len(self.vocabulary) and self.vocabulary.bytes(place) == data
        return place if found else -1


class LexicalMaker:
    """Makes the lexical part; see `maker.Maker`.

    Always from all passages: the weights of all of them change with the number of passages.
    """

    name = NAME

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        """Put the part into `edit`."""
        facts: dict[str, Any] = {"passages": len(passages), "words_form": WORDS_FORM}
        edit.put(NAME, facts, lambda folder: facts.update(_write(folder, passages, progress)))


def require_form(part: Part) -> None:
    """Refuse a part whose words were cut by other rules.

    Raises:
        UnavailableError: They were.
    """
    if part.facts.get("words_form") != WORDS_FORM:
        raise UnavailableError(
            f"The lexical part in {part.folder} was made by another version of tether.",
            hint="Build the index again.",
        )


class _Cut:
    """The word ids of each passage, as bm25s wants them: a list at a time."""

    def __init__(self, ids: NDArray[np.int32], ends: NDArray[np.int64]) -> None:
        self._ids = ids
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[list[int]]:
        start = 0
        for end in self._ends.tolist():
            yield self._ids[start:end].tolist()
            start = end


def _write(folder: Path, passages: Passages, progress: Progress) -> dict[str, Any]:
    vocabulary, cut = _read_words(passages, progress)
    with StringWriter(folder, "words") as writer:
        for word in vocabulary:
            writer.append(word)
    if vocabulary:
        _weigh(folder, len(vocabulary), cut)
    return {"words": len(vocabulary)}


def _read_words(passages: Passages, progress: Progress) -> tuple[list[str], _Cut]:
    """The sorted vocabulary, and every passage as ids of words."""
    seen: dict[str, int] = {}
    ids, ends = array("i"), array("q")
    advance = progress.stage("words", len(passages))
    for first, last in blocks(len(passages), _BLOCK):
        for number in range(first, last):
            ids.extend([seen.setdefault(w, len(seen)) for w in words(passages.texts[number])])
            ends.append(len(ids))
        advance(last)
    vocabulary = sorted(seen, key=str.encode)
    place = np.empty(len(seen), np.int32)
    place[[seen[word] for word in vocabulary]] = np.arange(len(seen), dtype=np.int32)
    sorted_ids = place[np.frombuffer(ids, np.int32)]
    return vocabulary, _Cut(sorted_ids, np.frombuffer(ends, np.int64))


def _weigh(folder: Path, num_words: int, cut: _Cut) -> None:
    import bm25s

    scorer = bm25s.BM25(k1=K1, b=B, method="lucene")
    scorer.scores = scorer.build_index_from_ids(range(num_words), cut, show_progress=False)
    for name in ("data", "indices", "indptr"):
        save_array(folder / f"{name}.npy", scorer.scores[name])


def _open(folder: Path) -> dict[str, NDArray[Any]]:
    """The sparse matrix: a column a word, with the passages that have it and their weights."""
    types = {"data": "float32", "indices": "int32", "indptr": "int64"}
    arrays = {name: load_array(folder / f"{name}.npy", kind, 1) for name, kind in types.items()}
    if arrays["indptr"][-1] != len(arrays["data"]) or len(arrays["indices"]) != len(arrays["data"]):
        raise damaged(folder / "indptr.npy", "the sizes of the matrix do not fit")
    return arrays


def _best(scores: NDArray[np.float32], count: int) -> list[tuple[int, float]]:
    """The `count` highest scores above 0 with their places, ties by place."""
    count = min(count, len(scores))
    if count < 1:
        return []
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    places = np.flatnonzero(scores >= least if least > 0 else scores > 0)
    order = places[np.lexsort((places, -scores[places]))][:count]
    return [(int(place), float(scores[place])) for place in order]
