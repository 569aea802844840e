"""Passages: pieces of documents of so many tokens, cut where a sentence or a line ends.

A passage knows where it stands: `text == document[start:end]`, in characters of the document's
text. Cuts fall between characters (a combining mark stays with its letter), at the last end of a
line or sentence in the last part of the piece, else between words, else where the tokens end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tether.errors import ModelError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SIZE = 256
OVERLAP = 32

_BLOCK = 1 << 16
"""Characters that are tokenised at once, so that memory does not grow with the document."""

_NEAR = 3
"""A sentence's end counts as near in the last 1/3 of a passage."""

_ENDS = re.compile(r"(?=\n)|[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[”’」』）]*")
_BLANKS = re.compile(r"(?=\s)")  # not the blank itself: many tokenizers begin words with it
_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document.

    Attributes:
        id: Its number in the index, from 0.
        doc: The name of the document.
        start: Where it begins in the document's text, in characters.
        end: Where it ends, likewise.
        text: The document's text from `start` to `end`.
    """

    id: int
    doc: str
    start: int
    end: int
    text: str


class Cutter:
    """Cuts texts into passages of at most `size` tokens of a tokenizer.

    Args:
        tokenizer: A `tokenizer.json` of the tokenizers library.
        size: Tokens in a passage, at most. (A passage may count a token or two more or fewer when
            it is tokenised alone; a character is never split, however many tokens it has.)
        overlap: Tokens that a passage shares with the one before, about.

    Raises:
        UsageError: The overlap is more than half of the size, or a number is out of range.
        ModelError: The tokenizer cannot be read.
    """

    def __init__(self, tokenizer: Path, size: int = SIZE, overlap: int = OVERLAP) -> None:
        if size < 1 or not 0 <= overlap <= size // 2:
            raise UsageError(
                f"Passages of {size} tokens cannot overlap by {overlap}.",
                hint="Take a size of 1 or more and an overlap of 0 up to half the size.",
            )
        self.size = size
        self.overlap = overlap
        self._tokenizer = _load(tokenizer)

    def cut(self, text: str) -> Iterator[tuple[int, int]]:
        """(start, end) of each passage in `text`, in order; none where it is blank.

        Law: every character that is not a blank lies in a passage; no passage is empty, begins or
        ends with a blank, or ends before the one before it does.
        """
        starts = self._token_starts(text)
        first = reached = 0
        while first < len(starts):
            last = self._last(text, starts, first)
            begin = int(starts[first])
            end = int(starts[last]) if last < len(starts) else len(text)
            piece = text[begin:end]
            begin += len(piece) - len(piece.lstrip())
            end = begin + len(piece.strip())
            if end > max(begin, reached):
                yield begin, end
                reached = end
            if last >= len(starts):
                return
            first = self._next(text, starts, first, last)

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._token_starts(text))

    def _token_starts(self, text: str) -> NDArray[np.int64]:
        """int64 [num_tokens]: where each token begins; tokens of one character begin together."""
        parts = []
        for begin, end in _blocks(text):
            found = self._tokenizer.encode(text[begin:end], add_special_tokens=False).offsets
            parts.append(np.fromiter((start for start, _ in found), np.int64, len(found)) + begin)
        starts = np.maximum.accumulate(np.concatenate([np.zeros(0, np.int64), *parts]))
        starts[:1] = 0  # a blank that the tokenizer drops
        return starts

    def _last(self, text: str, starts: NDArray[np.int64], first: int) -> int:
        """The token after the passage that begins with token `first`."""
        last = first + self.size
        if last >= len(starts):
            return len(starts)
        low = int(starts[max(last - max(self.size // _NEAR, 1), first + 1)])
        high = int(starts[last])
        for pattern in (_ENDS, _BLANKS):
            ends = [match.end() for match in pattern.finditer(text, low, high + 1)]
            ends = [end for end in ends if end <= high]
            if ends:
                last = int(np.searchsorted(starts, ends[-1]))
                break
        return _between_characters(text, starts, first, last)

    def _next(self, text: str, starts: NDArray[np.int64], first: int, last: int) -> int:
        """Where the next passage begins: before `last` by the overlap, after a blank if one is."""
        wanted = last - min(self.overlap, (last - first) // 2)
        if wanted >= last:
            return last
        blank = _BLANKS.search(text, int(starts[wanted]), int(starts[last]))
        if blank is not None:
            wanted = min(int(np.searchsorted(starts, blank.start())), last)
        return _between_characters(text, starts, first, wanted)


def _load(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library has no class of its own for this
        raise ModelError(
            f"{path} is not a tokenizer: {error}.", hint="Name a tokenizer.json with --tokenizer."
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Pieces to tokenise, cut after a blank where there is one."""
    begin = 0
    while begin < len(text):
        end = min(begin + _BLOCK, len(text))
        if end < len(text):
            blanks = [match.end() for match in _BLANKS.finditer(text, end - _BLOCK // 64, end)]
            end = blanks[-1] if blanks else end
        yield begin, end
        begin = end


def _between_characters(text: str, starts: NDArray[np.int64], first: int, token: int) -> int:
    """The token at or before `token`, but after `first`, at whose start the text may be cut.

    Where a character has more tokens than there are in between, the one after it.
    """
    for back in range(token, first, -1):
        if _cuttable(text, starts, back):
            return back
    for forth in range(token + 1, len(starts)):
        if _cuttable(text, starts, forth):
            return forth
    return len(starts)


def _cuttable(text: str, starts: NDArray[np.int64], token: int) -> bool:
    at = int(starts[token])
    if at == starts[token - 1]:
        return False
    mark = unicodedata.category(text[at]).startswith("M") or text[at] == _JOINER
    return not mark and text[at - 1] != _JOINER
