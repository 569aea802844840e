"""Which engine finds passages by words: bm25s, or Tantivy for very large indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tether.grounding.index.inverted import Inverted, InvertedMaker, is_installed, is_inverted
from tether.grounding.index.layout import Manifest, Part
from tether.grounding.index.lexical import NAME, Lexical, LexicalMaker
from tether.grounding.index.maker import Maker, Progress
from tether.grounding.index.store import Passages
from tether.grounding.index.writing import Edit

Engine = Literal["bm25s", "tantivy", "auto"]

MANY = 1_000_000
"""Passages from which on `auto` takes Tantivy."""


class ByWords(Protocol):
    """A lexical part, opened for searching.

    Attributes:
        counts: What stands in the files, as the facts of the part count it.
    """

    counts: Mapping[str, int]

    def search(self, question: str, count: int) -> list[tuple[int, float]]:
        """Ids and scores of the best passages with a word of the question, ties by id."""


class AutoMaker:
    """Makes the lexical part by Tantivy where there are many passages and it is installed."""

    name = NAME

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        """Put the part into `edit`; see `maker.Maker`."""
        large = len(passages) >= MANY and is_installed()
        maker: Maker = InvertedMaker() if large else LexicalMaker()
        maker.make(edit, passages, kept, progress)


def maker(engine: Engine) -> Maker:
    """What makes the lexical part.

    Raises:
        UnavailableError: Tantivy is asked for and not installed.
    """
    if engine == "auto":
        return AutoMaker()
    return InvertedMaker() if engine == "tantivy" else LexicalMaker()


def engine_of(manifest: Manifest) -> Engine:
    """The engine of an index, so that a change goes on with it."""
    part = manifest.parts.get(NAME)
    return "tantivy" if part is not None and is_inverted(part) else "bm25s"


def open_part(part: Part) -> ByWords:
    """The lexical part, whichever engine made it.

    Raises:
        UnavailableError: It is damaged, or its engine is not installed.
    """
    return Inverted(part) if is_inverted(part) else Lexical(part)
