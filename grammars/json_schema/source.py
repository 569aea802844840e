"""A schema as the user gave it -> JSON, read strictly."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from math import isinf
from typing import Any

from tether.errors import SchemaError
from tether.grammars.findings import excerpt
from tether.types import Json

_NOT_ZERO = re.compile(r"-?[0.]*[1-9]")
_SHOWN = 40
"""Characters of a number in a message."""


class DuplicateKey(ValueError):
    """An object names a key twice."""


class NoFloat(ValueError):
    """A number is too large, or too near to zero, for a float: it would become another one."""


def any_integer(text: str) -> int | Decimal:
    """A whole number; as a Decimal where it has more digits than Python turns into an int."""
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def held_float(text: str) -> float:
    """A number's float.

    Raises:
        NoFloat: It would be read as Infinity, or as 0 though it is not.
    """
    value = float(text)
    if isinf(value) or (value == 0 and _NOT_ZERO.match(text)):
        raise NoFloat(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
    return value


def read_schema(schema: str | dict[str, Any] | bool) -> tuple[Json, str]:
    """The schema as JSON and as text.

    Raises:
        SchemaError: Not JSON (line, column, caret), a key twice, or not an object or boolean.
    """
    if isinstance(schema, str):
        value, text = _parse(schema), schema
    else:
        value, text = _dump(schema)
    if not isinstance(value, dict | bool):
        raise SchemaError(
            f"The schema is {_kind(value)}, not an object or a boolean.",
            hint='A schema looks like {"type": "object", "properties": {...}}.',
            pointer="",
        )
    return value, text


def parse_strictly(
    text: str,
    parse_float: Callable[[str], Any] = held_float,
    parse_int: Callable[[str], Any] = int,
) -> Json:
    """JSON text as a value: no NaN or Infinity, no key twice.

    Raises:
        ValueError: Not JSON; `DuplicateKey` for a key that comes twice, `NoFloat` for a number
            that is no float, and an integer of more digits than Python reads.
    """
    value: Json = json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=_no_constant,
        parse_float=parse_float,
        parse_int=parse_int,
    )
    return value


def _parse(text: str) -> Json:
    try:
        return parse_strictly(text)
    except json.JSONDecodeError as error:
        raise SchemaError(
            f"The schema is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            hint=_cure(error),
            pointer=f"{error.lineno}:{error.colno}",
            excerpt=excerpt(error.doc, error.lineno, error.colno),
        ) from error
    except DuplicateKey as error:
        raise SchemaError(
            f"The schema names the key {error.args[0]!r} twice in one object.",
            hint="Remove one; readers of JSON disagree about which one counts.",
        ) from error
    except NoFloat as error:
        raise SchemaError(
            f"The schema has the number {error}, which is beyond the range of a float.",
            hint="Write a number between 1e-307 and 1e308, or leave the bound out.",
        ) from error
    except ValueError as error:
        raise _refusal(error, "JSON has no such value.") from error
    except RecursionError as error:
        raise SchemaError(
            "The schema is nested too deeply to be read.",
            hint="Nest it less deeply: give inner parts names in $defs and refer to them.",
        ) from error


def _dump(schema: object) -> tuple[Json, str]:
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise _refusal(error, "Use only dict, list, str, int, float, bool and None.") from error
    return _parse(text), text


def _refusal(error: Exception, cure: str) -> SchemaError:
    """The refusal of what is no JSON value, or an integer that Python does not read."""
    if "integer string conversion" in str(error):
        return SchemaError(
            f"The schema has an integer of more than {sys.get_int_max_str_digits()} digits.",
            hint="Write a number of fewer digits.",
        )
    return SchemaError(f"The schema is not JSON: {error}.", hint=cure)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise DuplicateKey(next(name for name in names if names.count(name) > 1))
    return result


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON value")


def _cure(error: json.JSONDecodeError) -> str:
    if not error.doc.strip():
        return "The text is empty."
    if error.doc[error.pos : error.pos + 1] == "'":
        return "JSON strings and keys stand in double quotes."
    if error.doc[: error.pos].rstrip().endswith(",") or "Illegal trailing comma" in error.msg:
        return "Remove the comma before the closing bracket."
    return "Correct the text at the caret."


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    names = {str: "a string", int: "a number", float: "a number", list: "an array"}
    return names[type(value)]
