"""Plain text and Markdown: a file is a document, as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from tether.errors import EvidenceError
from tether.grounding.document import Document
from tether.grounding.formats.lines import decode, whole


def read(stream: IO[bytes], name: str, limit: int) -> Iterator[Document | EvidenceError]:
    """The document of a file; line ends are kept."""
    yield Document(name, decode(whole(stream, name, limit), name), name)
