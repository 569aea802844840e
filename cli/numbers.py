"""JSON that keeps numbers as they were written: `1.50` stays `1.50`, `1e400` is not Infinity."""

from __future__ import annotations

import json
import re

from tether.cli.kinds import JsonValue

_HALF = re.compile("[\ud800-\udfff]")
"""Half a character: UTF-8 cannot hold it, a JSON escape can."""


class Literal(str):
    """The text of a number, written back as it is."""

    __slots__ = ()


def loads(text: str) -> JsonValue:
    """JSON as Python values; fractions become `Literal`, whole numbers are exact anyway."""
    return json.loads(text, parse_float=Literal, parse_constant=_refuse, parse_int=_whole)


def dumps(value: JsonValue, indent: int | None = None) -> str:
    """A value of `loads` (or any JSON value) as compact or indented text."""
    return "".join(_parts(value, indent, 0))


def _parts(value: JsonValue, indent: int | None, depth: int) -> list[str]:
    if isinstance(value, Literal):
        return [str(value)]
    if isinstance(value, dict) and value:
        items = [
            [_text(key), ": " if indent else ":", *_parts(item, indent, depth + 1)]
            for key, item in value.items()
        ]
        return _wrapped("{", items, "}", indent, depth)
    if isinstance(value, list) and value:
        return _wrapped("[", [_parts(v, indent, depth + 1) for v in value], "]", indent, depth)
    return [_text(value)]


def _wrapped(
    start: str, items: list[list[str]], end: str, indent: int | None, depth: int
) -> list[str]:
    newline = "" if indent is None else "\n" + " " * indent * (depth + 1)
    closing = "" if indent is None else "\n" + " " * indent * depth
    parts = [start]
    for number, item in enumerate(items):
        parts += ["," if number else "", newline, *item]
    return [*parts, closing, end]


def _text(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return json.dumps(value) if _HALF.search(text) else text


def _whole(text: str) -> int | Literal:
    try:
        return int(text)
    except ValueError:  # more digits than Python turns into an int
        return Literal(text)


def _refuse(constant: str) -> JsonValue:
    raise ValueError(f"{constant} is not JSON")
