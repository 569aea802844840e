"""Batch input: one line, one row, either our own JSON Lines or the OpenAI batch file format.

Reads lazily and never stops: a line that cannot be a row becomes a row with an error. Each row is
recognised by itself; a row with `custom_id` is an OpenAI one (see `openai_rows.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from zlib import crc32

from tether.cli.batches import openai_rows
from tether.cli.batches.openai_rows import ChatRequest
from tether.cli.config.profiles import suggest
from tether.cli.config.settings_model import ROW_KEYS
from tether.cli.kinds import JsonValue
from tether.cli.template import Template
from tether.cli.texts import decode
from tether.errors import TetherError, UsageError


@dataclass(frozen=True, slots=True)
class Row:
    """One line of input.

    Attributes:
        index: Its place among the rows, from 0; blank lines do not count.
        crc: CRC-32 of the line, to notice a changed input on resume.
        id: What the row calls itself; None where it has no `id`. Need not be unique.
        chat: The request, where the row came in the OpenAI form, and is answered in it.
        fields: Values for the template; `prompt` where the row gives one.
        overrides: Settings of this row alone.
        error: Why the line is not a row.
    """

    index: int
    crc: int
    id: str | int | None = None
    chat: ChatRequest | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    error: TetherError | None = None

    @property
    def key(self) -> str:
        """What keys the noise: the id, or the index where there is none."""
        return str(self.index if self.id is None else self.id)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank, unread."""

    index: int
    data: bytes
    start: int = 0
    """Offset of its first byte; white space before it counts."""
    end: int = 0
    """Offset of the byte after it."""

    @property
    def crc(self) -> int:
        """CRC-32 of the line without its line end."""
        return crc32(self.data)


def lines(stream: IO[bytes] | Iterable[bytes]) -> Iterator[Line]:
    """The lines of a stream that are not blank, one at a time."""
    index = offset = 0
    for raw in stream:
        start, offset = offset, offset + len(raw)
        data = raw.strip()
        if data:
            yield Line(index, data, start, offset)
            index += 1


def read(line: Line, template: Template | None = None) -> Row:
    """A line as a row; what is wrong with it stands in `error`."""
    row = Row(line.index, line.crc)
    value: Any = None
    try:
        value = _object(line)
        return parse(row, value, template)
    except UsageError as error:
        return refused(row, value, error)


def refused(row: Row, value: JsonValue, error: UsageError) -> Row:
    """A row with its error, and its id where that can be told."""
    name = value.get("custom_id", value.get("id")) if isinstance(value, Mapping) else None
    known = name if _is_id(name) else None
    return Row(row.index, row.crc, known, error=error)


def parse(row: Row, value: Mapping[str, Any], template: Template | None = None) -> Row:
    """Fill a bare row from its JSON object.

    Raises:
        UsageError: A key is unknown or has the wrong type.
    """
    if openai_rows.is_openai(value):
        chat = openai_rows.parse(value)
        fields = {"prompt": chat.said.prompt}
        return Row(row.index, row.crc, chat.custom_id, chat, fields, chat.overrides)
    fields = _fields(value, template)
    overrides = {key: item for key, item in value.items() if key in ROW_KEYS}
    if isinstance(overrides.get("evidence"), str):
        overrides["evidence"] = [overrides["evidence"]]
    name = value.get("id")
    if not (name is None or _is_id(name)):
        raise UsageError(f"`id` is {json.dumps(name)}.", hint="Use a text or a whole number.")
    return Row(row.index, row.crc, name, None, fields, overrides)


def _fields(value: Mapping[str, Any], template: Template | None) -> dict[str, Any]:
    names = ("prompt",) if template is None else template.names
    known = (*dict.fromkeys((*names, "id", *ROW_KEYS)),)
    for key in value:
        if key not in known:
            raise UsageError(f"Unknown key `{key}`.", hint=suggest(key, known, "keys"))
    fields = {name: value[name] for name in names if name in value}
    if template is None and not isinstance(fields.get("prompt", ""), str):
        raise UsageError("`prompt` is not a text.")
    if template is None and "prompt" not in fields and "evidence" not in value:
        raise UsageError("The row has no `prompt`.", hint='Write {"prompt": "..."}.')
    return fields


def _object(line: Line) -> dict[str, Any]:
    try:
        value = json.loads(decode(line.data, "The line"))
    except json.JSONDecodeError as error:
        raise UsageError(
            f"The line is not JSON: {error.msg} at character {error.pos + 1}.",
            hint="Each line of the input is one JSON object.",
        ) from error
    except ValueError as error:  # more digits than Python reads
        raise UsageError(
            "The line has an integer of thousands of digits.", hint="Write a shorter number."
        ) from error
    except RecursionError as error:
        raise UsageError("The line is nested too deeply.") from error
    if not isinstance(value, dict):
        raise UsageError("The line is not a JSON object.")
    return value


def _is_id(name: JsonValue) -> bool:
    return isinstance(name, str) or (isinstance(name, int) and not isinstance(name, bool))
