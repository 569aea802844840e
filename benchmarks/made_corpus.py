"""A corpus made from a seed: passages of made-up words about topics, and vectors to match.

Words follow Zipf's law; every passage has a topic with words of its own, and a name of two words
that hardly any other passage has. The vector of a text is the weighted mean of its words' vectors,
which lie around their topics': so texts of a topic stand together, topics lie near other topics,
and no vector needs a model to be computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tether.grounding.document import Document

COMMON, TOPICS, PER_TOPIC, NAMES = 20_000, 1000, 40, 8000
LENGTH, WIDTH = 50, 384
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_BLOCK = 4096


@dataclass(frozen=True)
class MadeCorpus:
    """So many passages of 50 words, a document each, named `p0`, `p1` ..."""

    count: int
    seed: int = 0

    def documents(self) -> Iterator[Document]:
        """All of them."""
        for first in range(0, self.count, _BLOCK):
            rows = self._rows(first, min(_BLOCK, self.count - first))
            for number, row in enumerate(rows, first):
                yield Document(f"p{number}", f"{' '.join(self._spelled[row])}.", "made")

    def questions(self, count: int) -> list[tuple[str, str]]:
        """(text, name of the passage it is about): its name and six of its other words."""
        draw = np.random.default_rng(self.seed + 1)
        found = []
        for number in draw.choice(self.count, count, replace=False).tolist():
            first = number // _BLOCK * _BLOCK
            row = self._rows(first, min(_BLOCK, self.count - first))[number - first]
            chosen = np.concatenate([row[:2], draw.choice(row[2:], 6, replace=False)])
            found.append((" ".join(self._spelled[chosen]), f"p{number}"))
        return found

    def _rows(self, first: int, count: int) -> NDArray[np.int64]:
        """Word ids int64 [count, LENGTH]: two of the name, 18 of the topic, 30 common ones."""
        draw = np.random.default_rng((self.seed, first))
        names = COMMON + TOPICS * PER_TOPIC + draw.integers(NAMES, size=(count, 2))
        topics = draw.integers(TOPICS, size=(count, 1))
        own = COMMON + topics * PER_TOPIC + (PER_TOPIC * draw.random((count, 18)) ** 2).astype(int)
        common = (COMMON ** draw.random((count, LENGTH - 20))).astype(int) - 1
        return np.concatenate([names, own, common], axis=1)

    @cached_property
    def _spelled(self) -> NDArray[np.object_]:
        return np.array(spellings(), object)


class WordVectors:
    """The embedder of such a corpus; see `tether.grounding.index.embed.Embedder`."""

    name, width, learned = "word-vectors", WIDTH, True
    fingerprint = hashlib.sha256(b"word-vectors 1").hexdigest()

    def __init__(self) -> None:
        self._ids = {word: i for i, word in enumerate(spellings())}
        draw = np.random.default_rng(7)
        # Topics of 30 fields; directions of falling weight, as the spectra of real embeddings.
        scale = np.arange(1, WIDTH + 1) ** -0.4
        fields = np.repeat(draw.normal(size=(30, WIDTH)), -(-TOPICS // 30), axis=0)[:TOPICS]
        topics = fields + draw.normal(size=(TOPICS, WIDTH))
        own = np.repeat(topics, PER_TOPIC, axis=0) + 2 * draw.normal(
            size=(TOPICS * PER_TOPIC, WIDTH)
        )
        common = 0.3 * draw.normal(size=(COMMON, WIDTH))
        names = 4 * draw.normal(size=(NAMES, WIDTH))
        table = np.concatenate([common, own, names]) * scale
        self._table = np.vstack([table, np.zeros((1, WIDTH))]).astype(np.float32)

    def embed(self, texts: Sequence[str], *, question: bool = False) -> NDArray[np.float32]:
        """See `Embedder.embed`."""
        unknown = len(self._table) - 1
        vectors = np.empty((len(texts), WIDTH), np.float32)
        for row, text in enumerate(texts):
            words = text.rstrip(".").split(" ")
            vectors[row] = self._table[[self._ids.get(word, unknown) for word in words]].sum(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        return unit


def spellings() -> list[str]:
    """Every word by its id: common ones, those of topics, those of names; frequent ones short."""
    syllables = [a + b for a in _CONSONANTS for b in _VOWELS]
    base, total = len(syllables), COMMON + TOPICS * PER_TOPIC + NAMES
    return [_spelled(number, syllables, base) for number in range(total)]


def _spelled(number: int, syllables: list[str], base: int) -> str:
    """Bijective numeration in syllables: no two numbers have the same spelling."""
    word, rest = "", number + 1
    while rest:
        rest, digit = divmod(rest - 1, base)
        word += syllables[digit]
    return word
