"""Makes the parts of an index that hold evidence of one model: its passages, read once.

Always from all passages: what a model says of a passage does not change, but reading some thousands
of passages is cheap beside keeping account of which were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tether.decoding.grounds.caad import KEPT
from tether.decoding.grounds.grad import endorsements
from tether.decoding.grounds.parts import belongs
from tether.decoding.grounds.reading import array, best, read_anew
from tether.decoding.grounds.windows import Windows, of_facts
from tether.decoding.models.base import Model
from tether.errors import EvidenceError, UsageError
from tether.grounding import neighbours, references, transitions
from tether.grounding.evidence import Ids
from tether.grounding.index.maker import Maker, Progress
from tether.grounding.index.store import Passages
from tether.grounding.index.strings import blocks, save_array, write_header
from tether.grounding.index.writing import Edit

OpenModel = Callable[[], Model]
_BLOCK = 64  # passages read between two reports of progress


def stores(names: list[str], model: OpenModel) -> list[Maker]:
    """What makes the stores of these names.

    Args:
        names: `states`, `references`, `references:embedder` (the index's own), `transitions`,
            `transitions:logit`, `transitions:count`.
        model: Loads the model that the stores shall belong to.

    Raises:
        UsageError: There is no such store.
    """
    return [_maker(name, model) for name in dict.fromkeys(names)]


def _maker(name: str, model: OpenModel) -> Maker:
    kind, _, mode = name.partition(":")
    if kind == transitions.NAME and mode in ("", "prob", "logit", "count"):
        return TransitionsMaker(model, mode or "prob")
    if name == neighbours.NAME:
        return StatesMaker(model)
    if kind == references.NAME and mode in ("", "states", "embedder"):
        return ReferencesMaker(model, mode or "states")
    raise UsageError(
        f"There is no store {name!r}.",
        hint="There are states, references, references:embedder, transitions, transitions:logit, "
        "transitions:count.",
    )


class TransitionsMaker:
    """Makes the part of `grad`; see `maker.Maker`.

    Args:
        model: Loads the model.
        mode: What a step weighs; see `grad.Grad`.
    """

    name = transitions.NAME

    def __init__(self, model: OpenModel, mode: str) -> None:
        self._model, self._mode = model, mode

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        """Put the part into `edit`; the graph is made in memory, some 200 bytes a token.

        Raises:
            EvidenceError: The part before the change was another model's.
        """
        model = self._model()
        _check(edit, self.name, model, kept)
        facts: dict[str, Any] = {**belongs(model), "mode": self._mode}

        def write(folder: Path) -> None:
            advance = progress.stage(self.name, len(passages))
            tokens, weights = [], []
            for first, last in blocks(len(passages), _BLOCK):
                block = _tokens(model, passages, first, last)
                tokens += block
                weights += endorsements(model, block, self._mode, keep=False)
                advance(last)
            made = transitions.TransitionStore.of(tokens, weights)
            made.save(folder)
            facts.update(rows=len(made.keys), edges=len(made.next))

        edit.put(self.name, facts, write)


class StatesMaker:
    """Makes the part of `knn`; see `maker.Maker`.

    Args:
        model: Loads the model.
    """

    name = neighbours.NAME

    def __init__(self, model: OpenModel) -> None:
        self._model = model

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        """Put the part into `edit`.

        Raises:
            EvidenceError: No passage has two tokens, or the part before the change was another
                model's.
        """
        model = self._model()
        _check(edit, self.name, model, kept)
        facts = belongs(model)

        def write(folder: Path) -> None:
            tokens = _tokens(model, passages, 0, len(passages))
            with _Rows(folder, _entries(tokens, self.name)) as rows:
                for _, found in _read(model, tokens, progress.stage(self.name, len(tokens))):
                    rows.append(neighbours.KEYS, array(found[:-1]).astype("<f2"))
            following = [row[1:] for row in tokens]
            origin = np.repeat(np.arange(len(tokens)), [len(row) for row in following])
            save_array(folder / "next.npy", np.concatenate(following).astype(np.int32))
            save_array(folder / "origin.npy", origin.astype(np.int32))
            facts.update(neighbours.Keys.part(folder, progress))

        edit.put(self.name, facts, write)


class ReferencesMaker:
    """Makes the part of `caad`; see `maker.Maker`.

    Args:
        model: Loads the model.
        keys: "states" of the model, or "embedder": that of the dense part.
    """

    name = references.NAME

    def __init__(self, model: OpenModel, keys: str) -> None:
        self._model, self._keys = model, keys

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        """Put the part into `edit`.

        Raises:
            EvidenceError: No passage has two tokens, the part before the change was another
                model's, or there is no embedder to compare contexts by.
        """
        model = self._model()
        _check(edit, self.name, model, kept)
        windows = self._windows(edit, model) if self._keys == "embedder" else None
        facts = {**belongs(model), "keys": self._keys}

        def write(folder: Path) -> None:
            tokens = _tokens(model, passages, 0, len(passages))
            with _Rows(folder, _entries(tokens, self.name)) as rows:
                for row, found in _read(model, tokens, progress.stage(self.name, len(tokens))):
                    keys = windows.along(row[:-1]) if windows else array(found[:-1])
                    ids, values = best(model, found[:-1], KEPT)
                    rows.append(neighbours.KEYS, keys.astype("<f2"))
                    rows.append(references.IDS, ids.astype("<i4"))
                    rows.append(references.VALUES, values.astype("<f2"))
            facts.update(neighbours.Keys.part(folder, progress))

        edit.put(self.name, facts, write)

    @staticmethod
    def _windows(edit: Edit, model: Model) -> Windows:
        try:
            dense = edit.part("dense")
        except KeyError:
            raise EvidenceError(
                "The index has no vectors, whose embedder could compare contexts.",
                hint="Build it with --embedder, or make the store `references`.",
            ) from None
        return of_facts(dense.facts, lambda: model, model.vocabulary)


class _Rows:
    """Writes .npy files of a known number of rows, block by block; a context manager.

    By ordinary writes, which tell of a full disk as mapped ones do not.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder, self._rows = folder, rows
        self._files: dict[str, BinaryIO] = {}
        self._stack = ExitStack()

    def append(self, name: str, block: NDArray[Any]) -> None:
        """Add rows [n, width] to a file."""
        if name not in self._files:
            file = self._stack.enter_context((self._folder / name).open("wb"))
            shape = (self._rows, block.shape[1])
            write_header(file, block.dtype, shape)
            self._files[name] = file
        self._files[name].write(block.tobytes())

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _read(
    model: Model, tokens: list[Ids], advance: Callable[[int], None]
) -> Iterator[tuple[Ids, Tensor]]:
    """Every passage of two tokens or more, in order, with what the head reads after each token."""
    for first, last in blocks(len(tokens), _BLOCK):
        pairs = zip(tokens[first:last], read_anew(model, tokens[first:last]), strict=True)
        yield from ((row, found) for row, found in pairs if len(row) > 1)
        advance(last)


def _entries(tokens: list[Ids], name: str) -> int:
    """How many tokens follow another one in their passage; not 0."""
    entries = sum(max(len(row) - 1, 0) for row in tokens)
    if not entries:
        raise EvidenceError(
            f"There is nothing to make the store '{name}' of: no passage has two tokens.",
            hint="Index longer texts.",
        )
    return entries


def _tokens(model: Model, passages: Passages, first: int, last: int) -> list[Ids]:
    texts = (passages.texts[number] for number in range(first, last))
    return [np.array(model.vocabulary.encode(text), np.int64) for text in texts]


def _check(edit: Edit, name: str, model: Model, kept: NDArray[np.bool_] | None) -> None:
    """Refuse to carry on a part of another model."""
    old = edit.old.parts.get(name) if kept is not None else None
    if old is not None and old.facts["fingerprint"] != model.fingerprint:
        raise EvidenceError(
            f"The part '{name}' was made with the model {old.facts['model']}, not {model.name}.",
            hint=f"Give --model {old.facts['model']}.",
        )
