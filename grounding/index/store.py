"""The passages of an index on disk: texts, places and document names, read where they lie.

Passages of a document stand together, documents in the order in which they came; a passage's id is
its place among all. Files: `text` and `names` (see `strings.py`), `spans.npy` int64 [passages, 2]
with the first character and the one after the last, `first.npy` int64 [documents + 1] with the
first passage of each document.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np

from tether.grounding.index.strings import Strings, StringWriter, damaged, load_array, save_array
from tether.grounding.passages import Passage


class Passages(Sequence[Passage]):
    """The passages of a folder, by id.

    Attributes:
        names: The names of the documents, by number.
        texts: The texts of the passages, by id.
        spans: int64 [passages, 2], see above.
        first: int64 [documents + 1], see above.
    """

    def __init__(self, folder: Path) -> None:
        self.texts = Strings(folder, "text")
        self.names = Strings(folder, "names")
        self.spans = load_array(folder / "spans.npy", "int64", 2)
        self.first = load_array(folder / "first.npy", "int64", 1)
        counts = (len(self.spans), self.first[-1] if len(self.first) else -1, len(self.first) - 1)
        if counts != (len(self.texts), len(self.texts), len(self.names)):
            raise damaged(folder / "first.npy", "the counts of passages and documents do not fit")

    def __len__(self) -> int:
        """How many passages there are."""
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Passage: ...
    @overload
    def __getitem__(self, index: slice) -> list[Passage]: ...
    def __getitem__(self, index: int | slice) -> Passage | list[Passage]:
        """The passage of an id, or a list of passages."""
        if isinstance(index, slice):
            return self.get(range(*index.indices(len(self))))
        return self.get([index])[0]

    def get(self, ids: Iterable[int]) -> list[Passage]:
        """The passages of several ids, in their order."""
        found = []
        for number in ids:
            text = self.texts[number]
            start, end = map(int, self.spans[number])
            doc = self.names[self.document_of(number)]
            found.append(Passage(int(number), doc, start, end, text))
        return found

    def document_of(self, number: int) -> int:
        """The number of the document that a passage is a part of."""
        return int(np.searchsorted(self.first, number, side="right")) - 1

    def passages_of(self, document: int) -> range:
        """The ids of the passages of a document, given by its number."""
        return range(int(self.first[document]), int(self.first[document + 1]))


class PassageWriter:
    """Writes the files of `Passages`; a context manager. Not whole before it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._texts = self._files.enter_context(StringWriter(folder, "text"))
        self._names = self._files.enter_context(StringWriter(folder, "names"))
        self._spans = array("q")
        self._first = array("q", [0])

    def add(self, name: str, text: str, spans: Iterable[tuple[int, int]]) -> None:
        """Add a document that is cut at `spans`, in characters."""
        for start, end in spans:
            self._texts.append(text[start:end])
            self._spans.extend((start, end))
        self._names.append(name)
        self._first.append(len(self._texts))

    def copy(self, passages: Passages, first: int, last: int) -> None:
        """Add the documents `first` to `last` (exclusive) of another store, by number."""
        starts = passages.first[first : last + 1]
        moved = np.asarray(starts[1:]) + (len(self._texts) - int(starts[0]))
        self._texts.copy(passages.texts, int(starts[0]), int(starts[-1]))
        self._names.copy(passages.names, first, last)
        self._spans.frombytes(passages.spans[starts[0] : starts[-1]].tobytes())
        self._first.frombytes(moved.astype(np.int64).tobytes())

    @property
    def facts(self) -> dict[str, Any]:
        """What is counted so far."""
        return {"documents": len(self._names), "passages": len(self._texts)}

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the strings, and write the arrays unless the writing failed."""
        self._files.__exit__(kind, error, trace)
        if error is None:
            spans = np.frombuffer(self._spans, np.int64).reshape(-1, 2)
            save_array(self._folder / "spans.npy", spans)
            save_array(self._folder / "first.npy", np.frombuffer(self._first, np.int64))
