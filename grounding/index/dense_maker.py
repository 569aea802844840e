"""Makes the dense part of an index: embeds what is new, copies what stays, parts it into lists.

Vectors stream through memory by blocks. The place of a vector is its passage's id, so ids move when
passages go; all kept vectors are then put into the trained lists anew. That costs minutes for
millions, where a table of moved ids would cost every search, for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tether.grounding.index import lists
from tether.grounding.index.dense import LISTS, NAME, VECTORS, WHITENING, Dense
from tether.grounding.index.embed import Embedder, Vectors
from tether.grounding.index.maker import Progress
from tether.grounding.index.store import Passages
from tether.grounding.index.strings import Strings, blocks, load_array, write_header
from tether.grounding.index.whitening import Whitening
from tether.grounding.index.writing import Edit

_BLOCK = 1024  # passages embedded at once, and vectors copied at once
_WHITENED_ON = 4096  # passages
_ABOUT = ("embedder", "fingerprint", "width", "learned", "whitened_on")


class DenseMaker:
    """Makes the dense part; see `maker.Maker`.

    Args:
        embedder: Opens the embedder; called only where passages are new.
    """

    name = NAME

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._embedder = embedder

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        """Put the part into `edit`.

        Vectors that were whitened on few passages are all made anew once there are four times as
        many.

        Raises:
            UnavailableError: The kept vectors were made by another embedder.
        """
        old, ids = None, np.zeros(0, np.int64)
        if kept is not None and NAME in edit.old.parts and not edit.old.is_stale(NAME):
            old, ids = Dense(edit.old.parts[NAME]), np.flatnonzero(kept)
        embedder = self._embedder() if old is None or len(ids) < len(passages) else None
        if old is not None and embedder is not None:
            old.require(embedder)
            if _is_outgrown(old, len(passages)):
                old, ids = None, ids[:0]
        facts: dict[str, Any] = {}
        write = _Write(passages.texts, embedder, old, ids, progress)
        edit.put(NAME, facts, lambda folder: facts.update(write(folder)))


class _Write:
    """One writing of the part.

    Args:
        texts: All passages; the first of them are kept ones.
        embedder: Makes the vectors of the others; None where there are none, and an old part.
        old: The part before a change. Its whitening and its trained lists are used again.
        kept: int64, the old ids of the kept passages, ascending.
        progress: Where to say how far it is.
    """

    def __init__(
        self,
        texts: Strings,
        embedder: Embedder | None,
        old: Dense | None,
        kept: NDArray[np.int64],
        progress: Progress,
    ) -> None:
        self._texts, self._embedder, self._progress = texts, embedder, progress
        self._old, self._kept = old, kept
        self._whitening = old.whitening if old else None

    def __call__(self, folder: Path) -> dict[str, Any]:
        """Fill an empty folder.

        Returns:
            The facts: `embedder`, its `fingerprint`, `width` and whether it is `learned`, how many
            passages its vectors were `whitened_on`, `passages`, the values of `lists.Plan`, and
            how many vectors the lists were `trained_for`.

        Raises:
            OSError: The disk is full, or the like.
        """
        if self._old is None and self._texts and not self._made_by.learned:
            self._whitening = self._fit()
        if self._whitening is not None:
            self._whitening.save(folder / WHITENING)
        about = self._about()
        with (folder / VECTORS).open("wb") as file:
            write_header(file, np.dtype("<f4"), (len(self._texts), about["width"]))
            advance, done = self._progress.stage("vectors", len(self._texts)), 0
            for vectors in self._vectors():
                file.write(vectors.astype("<f4").tobytes())
                done += len(vectors)
                advance(done)
        plan, trained_for = self._part(folder)
        return {
            **about,
            "passages": len(self._texts),
            "kind": plan.kind,
            "lists": plan.lists,
            "probes": plan.probes,
            "codes": plan.codes,
            "trained_for": trained_for,
        }

    @property
    def _made_by(self) -> Embedder:
        assert self._embedder is not None, "there are new passages and nothing to embed them"
        return self._embedder

    def _about(self) -> dict[str, Any]:
        if self._old is not None:
            return {name: self._old.facts[name] for name in _ABOUT}
        by = self._made_by
        whitened_on = 0 if by.learned else min(len(self._texts), _WHITENED_ON)
        values = (by.name, by.fingerprint, by.width, by.learned, whitened_on)
        return dict(zip(_ABOUT, values, strict=True))

    def _vectors(self) -> Iterator[Vectors]:
        """All vectors in order, a block at a time: copies first, then new ones."""
        for first, last in blocks(len(self._kept), _BLOCK):
            assert self._old is not None
            yield self._old.vectors[self._kept[first:last]]
        for first, last in blocks(len(self._texts) - len(self._kept), _BLOCK):
            shift = len(self._kept)
            vectors = self._made_by.embed(self._texts[first + shift : last + shift])
            yield self._whitening(vectors) if self._whitening else vectors

    def _fit(self) -> Whitening:
        """Whitening fitted on a seeded sample of the passages."""
        size = self._about()["whitened_on"]
        chosen = np.random.default_rng(0).choice(len(self._texts), size, replace=False)
        sample = [self._texts[number] for number in sorted(chosen.tolist())]
        return Whitening.fit(self._made_by.embed(sample))

    def _part(self, folder: Path) -> tuple[lists.Plan, int]:
        """Part the vectors just written into lists, where there are enough of them.

        Trained lists are used again until there are four times as many vectors as they were
        trained for, or a quarter.

        Returns:
            The plan, and how many vectors it was trained for.
        """
        vectors: Vectors = load_array(folder / VECTORS, "float32", 2)
        plan = lists.plan(*vectors.shape)
        if plan.kind == "flat":
            return plan, 0
        old, before = self._old, self._old.facts["trained_for"] if self._old else 0
        if old and old.facts["kind"] == plan.kind and before / 4 < len(vectors) < before * 4:
            plan = lists.Plan(plan.kind, *(old.facts[n] for n in ("lists", "probes", "codes")))
            index = old.trained()
            if len(self._kept) < len(old.vectors):
                index.reset()  # ids moved
        else:
            index, before = lists.train(vectors, plan), len(vectors)
        lists.add(index, vectors, self._progress.stage("lists", len(vectors)))
        lists.save(index, folder / LISTS)
        return plan, before


def _is_outgrown(old: Dense, count: int) -> bool:
    whitened_on: int = old.facts["whitened_on"]
    return old.whitening is not None and whitened_on < _WHITENED_ON and count >= 4 * whitened_on
