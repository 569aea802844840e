"""JSON Lines and tables: a row is a document.

A row's text is its `text` or `contents`, under its `title` where it has one; its name is its `id`
or `_id`, else the file and the line. BEIR's corpus.jsonl is read so. A table without a text column
is read as lines `column: value`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

from tether.errors import EvidenceError
from tether.grounding.document import Document
from tether.grounding.formats.lines import decode, limited, too_large

_TEXTS = ("text", "contents")
_NAMES = ("id", "_id")
_SHAPE = 'A row is a JSON object such as {"id": "a", "title": "A", "text": "..."}.'


def read_jsonl(stream: IO[bytes], name: str, limit: int) -> Iterator[Document | EvidenceError]:
    """The documents of a JSON Lines file; what is wrong with a line stands in its place."""
    for number, line in limited(stream, limit):
        place = f"{name}:{number}"
        if line is None:
            yield too_large(place, limit)
        elif line.strip():
            try:
                yield _document(_object(line, place), place)
            except EvidenceError as error:
                yield error


def read_csv(stream: IO[bytes], name: str, limit: int) -> Iterator[Document | EvidenceError]:
    """The documents of a table parted by commas, under a line of column names."""
    return _read_table(stream, name, limit, ",")


def read_tsv(stream: IO[bytes], name: str, limit: int) -> Iterator[Document | EvidenceError]:
    """The documents of a table parted by tabs, under a line of column names."""
    return _read_table(stream, name, limit, "\t")


def _read_table(
    stream: IO[bytes], name: str, limit: int, delimiter: str
) -> Iterator[Document | EvidenceError]:
    csv.field_size_limit(limit)
    rows = csv.DictReader(_lines(stream, name, limit), delimiter=delimiter, strict=True)
    try:
        for row in rows:
            place = f"{name}:{rows.line_num}"
            try:
                yield _document(_cells(row, place), place)
            except EvidenceError as error:
                yield error
    except csv.Error as error:
        raise EvidenceError(
            f"{name}:{rows.line_num + 1} is not a row of a table: {error}.",
            hint="Put fields with quotes, line ends or delimiters into double quotes.",
        ) from error


def _lines(stream: IO[bytes], name: str, limit: int) -> Iterator[str]:
    for number, line in limited(stream, limit):
        if line is None:
            raise too_large(f"{name}:{number}", limit)
        yield decode(line, f"{name}:{number}")


def _object(line: bytes, place: str) -> Mapping[str, Any]:
    try:
        value = json.loads(decode(line, place))
    except json.JSONDecodeError as error:
        raise EvidenceError(
            f"{place} is not JSON: {error.msg} at character {error.pos + 1}.", hint=_SHAPE
        ) from error
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{place} cannot be read: {error}.", hint=_SHAPE) from error
    if not isinstance(value, dict):
        raise EvidenceError(f"{place} is not a JSON object.", hint=_SHAPE)
    if not any(isinstance(value.get(key), str) for key in _TEXTS):
        raise EvidenceError(f"{place} has no text under `text` or `contents`.", hint=_SHAPE)
    return value


def _cells(row: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """A table's row as an object with a text."""
    if None in row or None in row.values():
        raise EvidenceError(
            f"{place} has another number of fields than the first line.",
            hint="Name the columns in the first line, and give each row all of them.",
        )
    if any(key in row for key in _TEXTS):
        return row
    lines = (f"{key}: {value}" for key, value in row.items() if value and key not in _NAMES)
    return {**row, "title": "", "text": "\n".join(lines)}


def _document(row: Mapping[str, Any], place: str) -> Document:
    text = next(row[key] for key in _TEXTS if isinstance(row.get(key), str))
    title = row.get("title")
    name = next((row[key] for key in _NAMES if row.get(key) not in (None, "")), place)
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise EvidenceError(f"{place}: `id` is {json.dumps(name)}.", hint="Use a text or a number.")
    return Document(str(name), f"{title}\n{text}" if title else text, place)
