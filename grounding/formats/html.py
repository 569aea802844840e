"""HTML: a page is a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from tether.errors import EvidenceError
from tether.grounding.document import Document
from tether.grounding.formats.apart import Worker
from tether.grounding.formats.lines import decode, whole
from tether.grounding.formats.markup import page_text, parse

_SMALL = 8 << 10  # characters that no page can make slow to parse
_worker = Worker()


def read(stream: IO[bytes], name: str, limit: int) -> Iterator[Document | EvidenceError]:
    """The document of a page.

    Raises:
        EvidenceError: The page is made so that it cannot be parsed in reasonable time.
    """
    page = decode(whole(stream, name, limit), name)
    text = page_text(parse(page)) if len(page) <= _SMALL else _worker.text(page, name)
    yield Document(name, text, name)
