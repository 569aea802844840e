"""Makes the parts of an index that hold evidence of one model: its passages, read once.

Always from all passages: what a model says of a passage does not change, but reading some thousands
of passages is cheap beside keeping account of which were read.
"""

from __future__ import annotations

from collections.abc import Callable
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
from tether.decoding.models.base import Model
from tether.errors import EvidenceError, UsageError
from tether.grounding import neighbours, references, transitions
from tether.grounding.evidence import Ids
from tether.grounding.index.maker import Maker, Progress
from tether.grounding.index.store import Passages
from tether.grounding.index.strings import blocks, save_array
from tether.grounding.index.writing import Edit

OpenModel = Callable[[], Model]
_BLOCK = 64  # passages read between two reports of progress


def stores(names: list[str], model: OpenModel) -> list[Maker]:
    """What makes the stores of these names.

    Args:
        names: `states`, `references`, `transitions`, `transitions:logit`, `transitions:count`.
        model: Loads the model that the stores shall belong to.

    Raises:
        UsageError: There is no such store.
    """
    return [_maker(name, model) for name in dict.fromkeys(names)]


def _maker(name: str, model: OpenModel) -> Maker:
    kind, _, mode = name.partition(":")
    if kind == transitions.NAME and mode in ("", "prob", "logit", "count"):
        return TransitionsMaker(model, mode or "prob")
    if kind in (neighbours.NAME, references.NAME) and not mode:
        return KeysMaker(kind, model)
    raise UsageError(
        f"There is no store {name!r}.",
        hint="There are states, references, transitions, transitions:logit, transitions:count.",
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


class KeysMaker:
    """Makes the part of `knn` or of `caad`; see `maker.Maker`.

    Args:
        name: `states` or `references`.
        model: Loads the model.
    """

    def __init__(self, name: str, model: OpenModel) -> None:
        self.name, self._model = name, model

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
        edit.put(
            self.name, facts, lambda folder: facts.update(self._write(folder, passages, progress))
        )

    def _write(self, folder: Path, passages: Passages, progress: Progress) -> dict[str, Any]:
        model = self._model()
        tokens = _tokens(model, passages, 0, len(passages))
        entries = sum(max(len(row) - 1, 0) for row in tokens)
        if not entries:
            raise EvidenceError(
                f"There is nothing to make the store '{self.name}' of: no passage has two tokens.",
                hint="Index longer texts.",
            )
        advance = progress.stage(self.name, len(passages))
        with _Rows(folder, entries) as rows:
            for first, last in blocks(len(passages), _BLOCK):
                for found in read_anew(model, tokens[first:last]):
                    self._append(rows, model, found[:-1])
                advance(last)
        if self.name == neighbours.NAME:
            following = [row[1:] for row in tokens]
            origin = np.repeat(np.arange(len(tokens)), [len(row) for row in following])
            save_array(folder / "next.npy", np.concatenate(following).astype(np.int32))
            save_array(folder / "origin.npy", origin.astype(np.int32))
        return neighbours.Keys.part(folder, progress)

    def _append(self, rows: _Rows, model: Model, found: Tensor) -> None:
        if not len(found):
            return
        rows.append(neighbours.KEYS, array(found).astype("<f2"))
        if self.name == references.NAME:
            ids, values = best(model, found, KEPT)
            rows.append(references.IDS, ids.astype("<i4"))
            rows.append(references.VALUES, values.astype("<f2"))


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
            header = {"descr": block.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
            self._files[name] = file
        self._files[name].write(block.tobytes())

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


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
