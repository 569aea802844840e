"""An index made from documents, and changed by documents that come and go.

Every change writes the passages anew: those that stay are copied as bytes, in their order, those
that come stand behind them. So passages and words are the same, byte for byte, however an index
came to its documents in their order. The parts made from the passages follow in the same change.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tether.errors import EvidenceError, UsageError
from tether.grounding.document import Document
from tether.grounding.index.layout import MANIFEST, PASSAGES, sha256
from tether.grounding.index.maker import Maker, Progress, Silent
from tether.grounding.index.store import Passages, PassageWriter
from tether.grounding.index.writing import Edit, editing
from tether.grounding.passages import OVERLAP, SIZE, Cutter

TOKENIZER = "tokenizer.json"
"""The tokenizer's copy in the passages' part, so that what is added is cut as the rest was."""

OnBad = Callable[[EvidenceError], None]


@dataclass(frozen=True, slots=True)
class Change:
    """What a change did, in documents, and what the index holds now."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    deleted: int = 0
    documents: int = 0
    passages: int = 0


def raise_it(error: EvidenceError) -> None:
    """What to do about a bad document unless one is told otherwise."""
    raise error


def build(
    path: Path,
    documents: Iterable[Document],
    makers: Sequence[Maker],
    *,
    tokenizer: Path,
    size: int = SIZE,
    overlap: int = OVERLAP,
    overwrite: bool = False,
    on_bad: OnBad = raise_it,
    progress: Progress | None = None,
) -> Change:
    """Make an index at `path` from documents.

    Args:
        path: A new or an empty folder.
        documents: Streamed; each is held only while it is cut.
        makers: Make the other parts.
        tokenizer: A `tokenizer.json`; its tokens measure the passages.
        size: Tokens in a passage, at most.
        overlap: Tokens that a passage shares with the one before.
        overwrite: Replace an index that is there; it holds until the new one is whole.
        on_bad: Called with what is wrong with a document that cannot be taken.
        progress: Where to say how far it is.

    Raises:
        EvidenceError: Two documents have the same name, or none has a passage.
        UsageError: There is an index, another process writes it, or a number is out of range.
        ModelError: The tokenizer cannot be read.
        OutputError: The disk is full, or the like.
    """
    if (path / MANIFEST).exists() and not overwrite:
        raise UsageError(
            f"{path} is an index already.",
            hint="Add to it with `tether index add`, or build it anew with --overwrite.",
        )
    cutter = Cutter(tokenizer, size, overlap)
    with editing(path, create=True) as edit:
        incoming = _Incoming(None, cutter, on_bad)
        facts: dict[str, Any] = {"size": size, "overlap": overlap}

        def write(folder: Path) -> None:
            shutil.copyfile(tokenizer, folder / TOKENIZER)
            facts.update(tokenizer=sha256(folder / TOKENIZER))
            facts.update(incoming.write(folder, documents))
            if not facts["passages"]:
                raise EvidenceError(
                    "There is nothing to index: no document has any text.",
                    hint="Name files or folders with txt, md, html, jsonl, csv, tsv or pdf files.",
                )

        part = edit.put(PASSAGES, facts, write)
        _make(edit, makers, None, progress or Silent())
    return _counted(incoming.change, part.facts)


def add(
    path: Path,
    documents: Iterable[Document],
    makers: Sequence[Maker],
    *,
    on_bad: OnBad = raise_it,
    progress: Progress | None = None,
) -> Change:
    """Add documents to an index; for the arguments see `build`.

    A document of a name that is there replaces the old one, unless nothing in it changed.

    Raises:
        UnavailableError: There is no index, or it is damaged.
    """
    with editing(path) as edit:
        old = edit.old.part(PASSAGES)
        edit.old.check("size")
        passages = Passages(old.folder)
        cutter = Cutter(old.folder / TOKENIZER, old.facts["size"], old.facts["overlap"])
        incoming = _Incoming(passages, cutter, on_bad)
        aside = edit.scratch("incoming")
        incoming.write(aside, documents)
        if incoming.change.added or incoming.change.replaced:
            keep = ~np.isin(np.arange(len(passages.names)), list(incoming.replaced))
            _rewrite(edit, passages, keep, Passages(aside), makers, progress or Silent())
        return _counted(incoming.change, edit.part(PASSAGES).facts)


def delete(
    path: Path, names: Sequence[str], makers: Sequence[Maker], *, progress: Progress | None = None
) -> Change:
    """Take documents out of an index, by name; all of them or, where one is not there, none.

    Raises:
        UsageError: The index has no document of a name.
        UnavailableError: There is no index, or it is damaged.
    """
    with editing(path) as edit:
        edit.old.check("size")
        passages = Passages(edit.old.part(PASSAGES).folder)
        unwanted = set(names)
        keep = np.array([name not in unwanted for name in passages.names], bool)
        missing = unwanted - {passages.names[i] for i in np.flatnonzero(~keep).tolist()}
        if missing:
            raise UsageError(
                f"The index {path} has no document '{min(missing)}'.",
                hint=f"`tether index info {path} --documents` lists them.",
            )
        _rewrite(edit, passages, keep, None, makers, progress or Silent())
        return _counted(Change(deleted=len(unwanted)), edit.part(PASSAGES).facts)


class _Incoming:
    """Cuts documents into a folder and notes what they mean for an index that is there.

    Attributes:
        change: What was counted.
        replaced: Numbers of the old documents that newer ones replace.
    """

    def __init__(self, old: Passages | None, cutter: Cutter, on_bad: OnBad) -> None:
        self.change = Change()
        self.replaced: set[int] = set()
        self._old = old
        self._numbers = {name: i for i, name in enumerate(() if old is None else old.names)}
        self._cutter = cutter
        self._on_bad = on_bad
        self._seen: set[str] = set()

    def write(self, folder: Path, documents: Iterable[Document]) -> dict[str, Any]:
        """Write those that are new or changed; the facts of what was written."""
        with PassageWriter(folder) as writer:
            for document in documents:
                if document.name in self._seen:
                    self._on_bad(_twice(document))
                    continue
                self._seen.add(document.name)
                spans = list(self._cutter.cut(document.text))
                if self._is_wanted(document, spans):
                    writer.add(document.name, document.text, spans)
            return writer.facts

    def _is_wanted(self, document: Document, spans: list[tuple[int, int]]) -> bool:
        change, number = self.change, self._numbers.get(document.name)
        if number is None:
            self.change = replace(change, added=change.added + 1)
        elif self._is_same(number, document.text, spans):
            self.change = replace(change, unchanged=change.unchanged + 1)
            return False
        else:
            self.replaced.add(number)
            self.change = replace(change, replaced=change.replaced + 1)
        return True

    def _is_same(self, number: int, text: str, spans: list[tuple[int, int]]) -> bool:
        assert self._old is not None
        ids = self._old.passages_of(number)
        then = self._old.spans[ids.start : ids.stop]
        return np.array_equal(then, np.array(spans, np.int64).reshape(-1, 2)) and all(
            self._old.texts[i] == text[start:end]
            for i, (start, end) in zip(ids, spans, strict=True)
        )


def _rewrite(
    edit: Edit,
    old: Passages,
    keep: NDArray[np.bool_],
    new: Passages | None,
    makers: Sequence[Maker],
    progress: Progress,
) -> None:
    """Put the passages of kept documents and of new ones behind them, then the other parts.

    Args:
        edit: The change.
        old: The passages before.
        keep: bool [old documents].
        new: Passages to stand behind the old ones.
        makers: Make the other parts.
        progress: Where to say how far it is.
    """
    part = edit.old.part(PASSAGES)
    facts = dict(part.facts)

    def write(folder: Path) -> None:
        shutil.copyfile(part.folder / TOKENIZER, folder / TOKENIZER)
        with PassageWriter(folder) as writer:
            for first, last in _runs(keep):
                writer.copy(old, first, last)
            if new is not None:
                writer.copy(new, 0, len(new.names))
            facts.update(writer.facts)

    edit.put(PASSAGES, facts, write)
    _make(edit, makers, np.repeat(keep, np.diff(old.first)), progress)


def _make(
    edit: Edit, makers: Sequence[Maker], kept: NDArray[np.bool_] | None, progress: Progress
) -> None:
    passages = Passages(edit.part(PASSAGES).folder)
    for maker in makers:
        maker.make(edit, passages, kept, progress)


def _runs(keep: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) of each run of True, the last exclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _twice(document: Document) -> EvidenceError:
    return EvidenceError(
        f"{document.place}: there is a second document named '{document.name}'.",
        hint="Give each document a name of its own: rename it, or change its `id`.",
    )


def _counted(change: Change, facts: Any) -> Change:  # noqa: ANN401  # JSON values
    return replace(change, documents=facts["documents"], passages=facts["passages"])
