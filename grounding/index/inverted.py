"""The lexical part of a very large index: an inverted index by Tantivy, changed without a rebuild.

A passage is told from the others by a key that it keeps for ever, while ids move when passages go:
`keys.npy` int64 [passages] rises, and a passage's id is the place of its key. The other files are
Tantivy's. It never changes a segment that it has written, so a change begins with links to the
segments that hold, and costs what comes and goes, not what stays.

BM25 as in `lexical.py`, with Tantivy's constants (k1 = 1.2, b = 0.75, all scores times k1 + 1).
Lengths of passages of more than 40 words are rounded to one of 256 steps, and words of a passage
that went are counted until its segment is merged with others: rankings are nearly those of bm25s.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tether.errors import UnavailableError
from tether.grounding.index.layout import Part
from tether.grounding.index.lexical import NAME, WORDS_FORM, require_form
from tether.grounding.index.maker import Progress
from tether.grounding.index.store import Passages
from tether.grounding.index.strings import damaged, load_array, save_array
from tether.grounding.index.writing import Edit
from tether.grounding.words import words

if TYPE_CHECKING:
    import tantivy

ENGINE = "tantivy"
_KEYS = "keys.npy"
_HEAP = 128 << 20  # bytes of words held before a segment is written
_BLOCK = 4096  # passages between two reports of progress


class Inverted:
    """The lexical part, opened for searching; see `by_words.ByWords`.

    Raises:
        UnavailableError: Tantivy is not installed, a file is damaged, or its words were cut by
            other rules.
    """

    def __init__(self, part: Part) -> None:
        require_installed()
        require_form(part)
        self._keys = load_array(part.folder / _KEYS, "int64", 1)
        self._searcher, self._schema = _open(part)
        self.counts: Mapping[str, int] = {"passages": self._searcher.num_docs}
        if len(self._keys) != self._searcher.num_docs:
            raise damaged(part.folder / _KEYS, "it does not fit the inverted index")

    def search(self, question: str, count: int) -> list[tuple[int, float]]:
        """Ids and scores of the best passages with a word of the question, ties by id.

        Which of several passages of the same score come last is Tantivy's choice.
        """
        from tantivy import Occur, Query

        asked = [
            (Occur.Should, Query.term_query(self._schema, "words", word, "freq"))
            for word in words(question)
        ]
        if not asked:
            return []
        hits = self._searcher.search(Query.boolean_query(asked), count, count=False).hits
        keys = self._searcher.fast_field_values("key", [address for _, address in hits])
        ids = np.searchsorted(self._keys, np.array(keys, np.int64)).tolist()
        found = zip(ids, (float(score) for score, _ in hits), strict=True)
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))


class InvertedMaker:
    """Makes the lexical part from what stays of the old one and what is new; see `maker.Maker`.

    Raises:
        UnavailableError: Tantivy is not installed.
    """

    name = NAME

    def __init__(self) -> None:
        require_installed()

    def make(
        self, edit: Edit, passages: Passages, kept: NDArray[np.bool_] | None, progress: Progress
    ) -> None:
        """Put the part into `edit`."""
        old = edit.old.parts.get(NAME)
        if kept is None or old is None or edit.old.is_stale(NAME) or not is_inverted(old):
            old, kept = None, np.zeros(0, bool)
        facts = {"engine": ENGINE, "passages": len(passages), "words_form": WORDS_FORM}
        write = _Write(old, kept, passages, progress)
        edit.put(NAME, facts, lambda folder: facts.update(write(folder)))


class _Write:
    """One writing of the part.

    Args:
        old: The part before a change; None where there is none to go on from.
        kept: bool [old passages], which of them stay.
        passages: All passages, the kept ones first.
        progress: Where to say how far it is.
    """

    def __init__(
        self, old: Part | None, kept: NDArray[np.bool_], passages: Passages, progress: Progress
    ) -> None:
        self._old, self._kept = old, kept
        self._passages, self._progress = passages, progress

    def __call__(self, folder: Path) -> dict[str, Any]:
        """Fill an empty folder.

        Returns:
            The fact `next_key`: smaller than it are all keys that were ever given.

        Raises:
            OSError: The disk is full, or the like.
        """
        before, free = self._before()
        new = np.arange(free, free + len(self._passages) - int(self._kept.sum()), dtype=np.int64)
        with _faults_of_the_disk(), self._index(folder).writer(_HEAP, 1) as writer:
            for key in before[~self._kept].tolist():
                writer.delete_documents_by_term("key", key)
            self._add(writer, new)
        save_array(folder / _KEYS, np.concatenate([before[self._kept], new]))
        _tidy(folder)
        return {"next_key": free + len(new)}

    def _before(self) -> tuple[NDArray[np.int64], int]:
        """The keys of the old passages, and the first that was never given."""
        if self._old is None:
            return np.zeros(0, np.int64), 0
        keys = load_array(self._old.folder / _KEYS, "int64", 1)
        return keys, int(self._old.facts["next_key"])

    def _index(self, folder: Path) -> tantivy.Index:
        """An inverted index in the folder, with the segments of the old part."""
        import tantivy

        if self._old is not None:
            _take_over(self._old, folder)
            return tantivy.Index.open(str(folder))
        fields = tantivy.SchemaBuilder()
        fields.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
        fields.add_integer_field("key", indexed=True, fast=True)
        return tantivy.Index(fields.build(), str(folder))

    def _add(self, writer: tantivy.IndexWriter, keys: NDArray[np.int64]) -> None:
        """Add the last passages; words have no blanks in them, so blanks part them again."""
        from tantivy import Document

        advance = self._progress.stage("words", len(keys))
        first = len(self._passages) - len(keys)
        for done, key in enumerate(keys.tolist(), 1):
            text = self._passages.texts[first + done - 1]
            writer.add_document(Document(words=" ".join(words(text)), key=key))
            if done % _BLOCK == 0 or done == len(keys):
                advance(done)


def is_inverted(part: Part) -> bool:
    """Whether a lexical part is of this kind."""
    return part.facts.get("engine") == ENGINE


def is_installed() -> bool:
    """Whether Tantivy can be used."""
    try:
        import tantivy  # noqa: F401
    except ImportError:
        return False
    return True


def require_installed() -> None:
    """Refuse to go on without Tantivy.

    Raises:
        UnavailableError: It is not installed.
    """
    if not is_installed():
        raise UnavailableError(
            "Tantivy is not installed; an index whose words it holds needs it.",
            hint='Install it: pip install "tether[tantivy]".',
        )


def _open(part: Part) -> tuple[tantivy.Searcher, tantivy.Schema]:
    """Map the segments into memory.

    Tantivy writes a lock where it opens an index; a part is never written, and may not be
    writable. So it is opened in a folder of links, which may go once all is mapped.
    """
    import tantivy

    # Tantivy may put its lock there while the folder goes; what is left then are links.
    with TemporaryDirectory(prefix="tether-", ignore_cleanup_errors=True) as aside:
        for name in part.files:
            Path(aside, name).symlink_to(part.folder / name)
        try:
            index = tantivy.Index.open(aside)
            index.config_reader("manual")  # no thread that watches for changes
            return index.searcher(), index.schema
        except ValueError as error:
            raise damaged(part.folder, f"Tantivy says: {error}") from error


def _take_over(old: Part, folder: Path) -> None:
    """Bring the files of the old part into a new folder, large ones without a copy."""
    for name in _theirs(old.files):
        try:
            os.link(old.folder / name, folder / name)
        except OSError:  # a file system without links
            shutil.copyfile(old.folder / name, folder / name)


def _theirs(files: Mapping[str, object]) -> Iterator[str]:
    return (name for name in files if name != _KEYS)


def _tidy(folder: Path) -> None:
    """Remove Tantivy's locks, and let others read its files as they may read ours."""
    for path in folder.iterdir():
        if path.suffix == ".lock":
            path.unlink()
        elif path.stat().st_nlink == 1:  # not one that was taken over
            shutil.copymode(folder / _KEYS, path)


@contextmanager
def _faults_of_the_disk() -> Iterator[None]:
    """Tantivy's errors as what they are: the schema is ours, so only files can be at fault."""
    try:
        yield
    except ValueError as error:
        raise OSError(f"Tantivy says: {str(error).rstrip('.')}") from error
