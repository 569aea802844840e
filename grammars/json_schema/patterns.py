"""Regexes of a schema that are not ECMA-262's, rewritten in it or left to Python's `re`.

Schemas hold patterns written for Python, PCRE, or a lenient JavaScript: `(?i)`, `(?P<n>`,
possessive repeats, a `}` without its `{`. jsonschema-rs takes the strict Unicode dialect alone.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

from tether.errors import SchemaError
from tether.grammars.json_schema.dialect import strict
from tether.grammars.json_schema.schema_errors import shortened
from tether.grammars.json_schema.walk import escape, subschemas
from tether.types import Json

PYTHON_PATTERN = "x-tether-python-pattern"
"""The keyword of a pattern that Python's `re` judges."""

_CURE = "Write it as a regular expression of JavaScript (ECMA-262, Unicode mode)."


class PythonPattern:
    """jsonschema-rs's way to a keyword of one's own: a string must match by Python's `re`."""

    def __init__(self, parent: dict[str, Any], value: str, path: list[str | int]) -> None:
        self._pattern = _compiled(value)

    def validate(self, instance: Json) -> None:
        """Raise ValueError where `instance` is a string without a match."""
        if isinstance(instance, str) and self._pattern and not self._pattern.search(instance):
            raise ValueError(f'"{instance}" does not match "{self._pattern.pattern}"')


def repaired(schema: Json) -> Json:
    """A copy of `schema` with every foreign regex said so that jsonschema-rs takes it.

    Raises:
        SchemaError: A regex is none in any dialect, or can only be said for values, not for keys.
    """
    result: Json = _repair(schema, {where for where, _ in subschemas(schema)}, "")
    return result


def _repair(value: Any, schemas: set[str], here: str) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_repair(each, schemas, f"{here}/{index}") for index, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    copy = {k: _repair(v, schemas, f"{here}/{escape(k)}") for k, v in value.items()}
    if here in schemas:
        if isinstance(copy.get("pattern"), str):
            keyword, text = _value_pattern(copy.pop("pattern"), f"{here}/pattern")
            copy[keyword] = text
        if isinstance(copy.get("patternProperties"), dict):
            copy["patternProperties"] = _keys(copy["patternProperties"], here)
    return copy


def _value_pattern(pattern: str, pointer: str) -> tuple[str, str]:
    text = strict(pattern)
    if text is not None:
        return "pattern", text
    if _compiled(pattern):
        return PYTHON_PATTERN, pattern
    raise SchemaError(
        f"The pattern {shortened(pattern)!r} at {pointer} is no regular expression.",
        hint=_CURE,
        pointer=pointer,
    )


def _keys(named: dict[str, Any], here: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for pattern, part in named.items():
        text = strict(pattern)
        if text is None:
            pointer = f"{here}/patternProperties/{escape(pattern)}"
            raise SchemaError(
                f"The pattern of keys at {pointer} cannot be judged.", hint=_CURE, pointer=pointer
            )
        result[text] = {"allOf": [result[text], part]} if text in result else part
    return result


def _compiled(pattern: str) -> re.Pattern[str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "possible nested set": we mean it as it is
        try:
            return re.compile(pattern)
        except (re.error, RecursionError, OverflowError):
            return None
