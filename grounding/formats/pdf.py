"""PDF by pypdf: the text of each page, an empty line between pages.

pypdf bounds what a stream unfolds to (75 MB) and how many tokens of it are read, so that a file
made to fill the memory is refused.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import IO

from tether.errors import EvidenceError
from tether.grounding.document import Document
from tether.grounding.formats.lines import too_large, whole


def read(stream: IO[bytes], name: str, limit: int) -> Iterator[Document | EvidenceError]:
    """The document of a file.

    Raises:
        EvidenceError: It is locked, damaged, or a scan without text.
    """
    text = "\n\n".join(_pages(whole(stream, name, limit), name, limit))
    if not text.strip():
        raise EvidenceError(
            f"{name} has pages but no text: it is a scan.",
            hint="Read its text by OCR first, for example with ocrmypdf.",
        )
    yield Document(name, text, name)


def _pages(data: bytes, name: str, limit: int) -> Iterator[str]:
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of every small irregularity
    size = 0
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise EvidenceError(f"{name} is locked by a password.", hint="Save it without one.")
        for page in reader.pages:
            text = page.extract_text().encode("utf-8", "replace").decode("utf-8")
            size += len(text)
            if size > limit:
                raise too_large(f"The text of {name}", limit)
            yield text.strip()
    except EvidenceError:
        raise
    except Exception as error:  # damaged files fail in many ways, some of them not pypdf's own
        raise EvidenceError(
            f"{name} is not a readable PDF: {str(error) or type(error).__name__}.",
            hint="Repair it, for example with qpdf, or go on without it: --skip-bad.",
        ) from error
