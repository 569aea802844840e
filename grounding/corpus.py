"""The documents of files and folders, one after another; one at a time is held.

Knows which format a file has by its name, walks folders in the order of names, and leaves out what
is hidden, and the indexes that tether wrote. Texts are UTF-8. What is wrong with a document is told
with its file and line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from tether.errors import EvidenceError
from tether.grounding.document import Document
from tether.grounding.formats import html, pdf, plain, rows
from tether.grounding.index.layout import enclosing, is_ours

LIMIT = 64 << 20
"""Bytes of a document, at most, unless more are allowed."""

Reader = Callable[[IO[bytes], str, int], Iterator[Document | EvidenceError]]

READERS: dict[str, Reader] = {
    **dict.fromkeys((".txt", ".text", ".md", ".markdown", ".rst"), plain.read),
    **dict.fromkeys((".html", ".htm", ".xhtml"), html.read),
    **dict.fromkeys((".jsonl", ".ndjson"), rows.read_jsonl),
    ".csv": rows.read_csv,
    ".tsv": rows.read_tsv,
    ".pdf": pdf.read,
}
"""Readers by the ending of a file's name. A file that is named itself and has another ending is
read as plain text; in a folder it is left out."""


class Corpus:
    """The documents of some files and folders; may be read once.

    Args:
        paths: Files, and folders with all that is in them.
        limit: Bytes of a document, at most.
        on_bad: Called with what is wrong with a document; raise it, or go on without the document.

    Attributes:
        files: The files that are read, in their order, each once.
        size: Their bytes.
        read_bytes: How many of these were read so far.
        num_left_out: Files in folders that are of no known format, or no real files; indexes.

    Raises:
        EvidenceError: A path leads nowhere, or into an index.
    """

    def __init__(
        self, paths: Sequence[Path], on_bad: Callable[[EvidenceError], None], limit: int = LIMIT
    ) -> None:
        self.num_left_out = self.read_bytes = 0
        found: dict[str, Path] = {}
        for path in paths:
            for file in self._files(path):
                found.setdefault(os.path.realpath(file), file)
        self.files = tuple(found.values())
        self.size = sum(map(_size, self.files))
        self._limit = limit
        self._on_bad = on_bad

    def __iter__(self) -> Iterator[Document]:
        """Each document that can be had."""
        before = 0
        for file in self.files:
            try:
                with file.open("rb") as stream:
                    found = None
                    for found in self._documents(stream, file):
                        self.read_bytes = before + stream.tell()
                        yield from self._good(found)
                if found is None:
                    self._on_bad(_empty(file.as_posix()))
            except EvidenceError as error:
                self._on_bad(error)
            except OSError as error:
                self._on_bad(_unreadable(file, error))
            before += _size(file)

    def _documents(self, stream: IO[bytes], file: Path) -> Iterator[Document | EvidenceError]:
        read = READERS.get(file.suffix.lower(), plain.read)
        return read(stream, file.as_posix(), self._limit)

    def _good(self, found: Document | EvidenceError) -> Iterator[Document]:
        """The document, unless something is wrong with it."""
        wrong = found if isinstance(found, EvidenceError) else _fault(found)
        if wrong is not None:
            self._on_bad(wrong)
        elif isinstance(found, Document):
            yield found

    def _files(self, path: Path) -> Iterator[Path]:
        around = enclosing(path)
        if around is not None:
            raise EvidenceError(
                f"{path} is no text of yours: it belongs to {around}.",
                hint="Name the files that were indexed, not the index.",
            )
        if path.is_file():
            yield path
            return
        if not path.is_dir():
            reason = "is neither a file nor a folder" if path.exists() else "is not there"
            raise EvidenceError(f"{path} {reason}.", hint="Name files or folders.")
        for at, folders, names in os.walk(path):
            seen = sorted(name for name in folders if not name.startswith("."))
            folders[:] = [name for name in seen if not is_ours(Path(at, name))]
            self.num_left_out += len(seen) - len(folders)
            for name in sorted(name for name in names if not name.startswith(".")):
                file = Path(at, name)
                special = file.exists() and not file.is_file()  # reading a pipe waits for ever
                if file.suffix.lower() in READERS and not special:
                    yield file
                else:
                    self.num_left_out += 1


def _fault(document: Document) -> EvidenceError | None:
    """What makes a document useless, if anything."""
    if not document.text.strip():
        return _empty(document.place)
    for text in (document.name, document.text):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            return EvidenceError(
                f"{document.place} holds half a character (U+{ord(text[error.start]):04X}).",
                hint="UTF-8 has none: correct the escape.",
            )
    return None


def _empty(place: str) -> EvidenceError:
    return EvidenceError(f"{place} is empty.", hint="Remove it, or go on without it: --skip-bad.")


def _unreadable(file: Path, error: OSError) -> EvidenceError:
    return EvidenceError(
        f"{file} cannot be read: {error.strerror or error}.",
        hint="Make it readable, or go on without it: --skip-bad.",
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
