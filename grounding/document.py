"""A document: a name, and the text that its passages are pieces of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a corpus.

    Attributes:
        name: What it is called in the index; no other document of the index has this name.
        text: All of its text, as offsets count it.
        place: File, and line where it has one, for messages.
    """

    name: str
    text: str
    place: str
