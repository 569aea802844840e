"""The passages that quotes are taken from, and where in them a quote stands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from tether.errors import EvidenceError
from tether.grammars.verbatim.suffixes import Suffixes

_KEPT = 16
"""Evidences whose suffixes are kept: rows often share theirs."""


class Place(NamedTuple):
    """Where a quote stands: text[start:end] of its document, in characters; a passage may be one.

    Attributes:
        doc: The passage's name, or its number as text where it has none; numbers begin at 1.
        number: The passage's number.
        start: Offset of the first character.
        end: Offset after the last one.
    """

    doc: str
    number: int
    start: int
    end: int


class Evidence:
    """Passages in their order. A quote lies within one of them.

    Args:
        texts: The passages.
        names: A name for each of them, as documents have; empty for none.
        starts: Where each of them begins in its document, in characters; empty for 0.

    Raises:
        EvidenceError: There is no text to quote from.
    """

    def __init__(
        self, texts: Sequence[str], names: Sequence[str] = (), starts: Sequence[int] = ()
    ) -> None:
        if not any(texts):
            raise EvidenceError(
                "There is no evidence to quote from.",
                hint="Give passages with --evidence (TEXT or @FILE), or pipe one in.",
            )
        self.texts, self.names, self.starts = tuple(texts), tuple(names), tuple(starts)

    @cached_property
    def key(self) -> str:
        """A hash of the passages, their names and their places."""
        digest = hashlib.sha256()
        places = map(str, self.starts)
        for text in (*self.texts, "\x00names", *self.names, "\x00starts", *places):
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        """Whether these are the same passages."""
        return isinstance(other, Evidence) and self.key == other.key

    def __hash__(self) -> int:
        """By the passages."""
        return hash(self.key)

    def find(self, quote: str) -> Place | None:
        """The first place where `quote` stands, or None."""
        for number, text in enumerate(self.texts, 1):
            found = text.find(quote)
            if found >= 0:
                name = self.names[number - 1] if self.names else str(number)
                start = found + (self.starts[number - 1] if self.starts else 0)
                return Place(name, number, start, start + len(quote))
        return None

    def suffixes(self, *, escaped: bool) -> Suffixes:
        """The passages' suffixes, as JSON strings spell them or plain."""
        return _suffixes(self.texts, escaped)


@lru_cache(maxsize=_KEPT)
def _suffixes(texts: tuple[str, ...], escaped: bool) -> Suffixes:
    return Suffixes(texts, escaped=escaped)
