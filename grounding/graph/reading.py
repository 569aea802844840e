"""Files of RDF as quads: which format, which line is broken and what to do about it.

Streams; a file is never held whole. Knows files and their formats, no store.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, cast

from pyoxigraph import DefaultGraph, Quad, QuadParser, RdfFormat, Triple, parse

from tether.errors import EvidenceError, UsageError
from tether.grounding.index.maker import Advance

FORMATS: Mapping[str, RdfFormat] = {
    "ttl": RdfFormat.TURTLE,
    "nt": RdfFormat.N_TRIPLES,
    "nq": RdfFormat.N_QUADS,
    "rdf": RdfFormat.RDF_XML,
    "owl": RdfFormat.RDF_XML,
    "xml": RdfFormat.RDF_XML,
    "jsonld": RdfFormat.JSON_LD,
    "trig": RdfFormat.TRIG,
}
"""The ending of a file, before `.gz`, and what it holds."""

_PLACE = re.compile(r"^.*?error(?: at line \d+[^:]*| between line [^:]*)?: ", re.IGNORECASE)
_HINTS = {
    "No scheme found": "Its IRIs are relative: name what they belong to by --base IRI.",
    "prefix": "Declare that prefix at the top of the file.",
    "UTF-8": "Write the file as UTF-8.",
}
_HINT = "Mend that place, or leave the file out."


@dataclass(slots=True)
class Source:
    """Files to read, in their order.

    Attributes:
        paths: Each with an ending of `FORMATS`, `.gz` behind it where it is packed.
        base: What relative IRIs belong to.
        merge: Take the triples of named graphs as triples of the default graph.
        prefixes: Prefix -> namespace as the files read so far declare them; the first one holds.
        read_bytes: How far it is, in bytes of the files as they lie on disk.
    """

    paths: Sequence[Path]
    base: str | None = None
    merge: bool = False
    prefixes: dict[str, str] = field(default_factory=dict)
    read_bytes: int = 0

    @property
    def size(self) -> int:
        """Bytes of all files.

        Raises:
            UsageError: One is missing or has no known ending.
        """
        return sum(_checked(path).stat().st_size for path in self.paths)

    def quads(self, advance: Advance) -> Iterator[Quad]:
        """All quads of all files; blank nodes of two files are never the same.

        Raises:
            EvidenceError: A file is broken; the message names file and line, the hint the cure.
        """
        for path in self.paths:
            with _Counting(path, self._count(advance)) as stream:
                yield from self._file(path, stream)

    def _count(self, advance: Advance) -> Callable[[int], None]:
        def count(size: int) -> None:
            self.read_bytes += size
            advance(self.read_bytes)

        return count

    def _file(self, path: Path, stream: BufferedReader) -> Iterator[Quad]:
        try:
            parser = parse(
                _unpacked(path, stream),
                format_of(path),
                base_iri=self.base,
                rename_blank_nodes=True,
            )
            for quad in parser:
                yield self._quad(path, quad)
        except (SyntaxError, UnicodeDecodeError, ValueError) as error:
            raise _broken(path, error) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise EvidenceError(
                f"{path} cannot be unpacked: {error}.", hint="Fetch it again: it is cut or no gzip."
            ) from None
        self._declare(parser)

    def _quad(self, path: Path, quad: Quad) -> Quad:
        if isinstance(quad.object, Triple):
            raise EvidenceError(
                f"{path} has a triple inside of a triple (RDF 1.2), which graphs here do not have.",
                hint="Write such statements as nodes of their own.",
            )
        if self.merge:
            return Quad(quad.subject, quad.predicate, quad.object, DefaultGraph())
        return quad

    def _declare(self, parser: QuadParser) -> None:
        for prefix, namespace in parser.prefixes.items():
            self.prefixes.setdefault(prefix, namespace)


def format_of(path: Path) -> RdfFormat:
    """What a file holds, by its name.

    Raises:
        UsageError: The name says nothing.
    """
    name = path.name.lower().removesuffix(".gz")
    found = FORMATS.get(name.rpartition(".")[2])
    if found is None:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        raise UsageError(
            f"{path}: the format is not known by this ending.",
            hint=f"Known: {endings}, each also with .gz.",
        )
    return found


def _checked(path: Path) -> Path:
    format_of(path)
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", hint="Check the name and the folder.")
    return path


class _Counting(RawIOBase):
    """A file that says how much of it was read."""

    def __init__(self, path: Path, count: Callable[[int], None]) -> None:
        self._stream = path.open("rb", buffering=0)
        self._count = count

    def __enter__(self) -> BufferedReader:  # type: ignore[override]
        """Buffered, as parsers like it."""
        return BufferedReader(self, 1 << 18)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read and count."""
        size = self._stream.readinto(buffer) or 0
        self._count(size)
        return size

    def close(self) -> None:
        """Close the file too."""
        self._stream.close()
        super().close()


def _unpacked(path: Path, stream: BufferedReader) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(stream))
    return stream


def _broken(path: Path, error: Exception) -> EvidenceError:
    line = error.lineno if isinstance(error, SyntaxError) else None
    place = f"{path}:{line}" if line else str(path)
    reason = _PLACE.sub("", str(error.args[0] if error.args else error)).rstrip(".")
    hint = next((hint for part, hint in _HINTS.items() if part in reason), _HINT)
    return EvidenceError(f"{place}: {reason}.", hint=hint, pointer=place)
