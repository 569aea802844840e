"""Every sub-schema with the place of the values that it is about.

References are followed, those that lead back to themselves some way only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from tether.grammars.json_schema.walk import referred
from tether.types import Json

_MOST_PARTS = 10_000
"""Parts of a schema that are looked at: references within references multiply."""

Place = tuple[str | None, ...]
"""Keys on the way to a value; None stands for any key or index."""


def places(schema: Json) -> Iterator[tuple[Place, dict[str, Any], bool]]:
    """(place, sub-schema, sure), outer ones first.

    A part is sure where every string at its place has to satisfy it, whatever branch is taken.
    """
    waiting: deque[tuple[Place, Any, bool]] = deque([((), schema, True)])
    for _ in range(_MOST_PARTS):
        if not waiting:
            return
        place, part, sure = waiting.popleft()
        if not isinstance(part, dict):
            continue
        yield place, part, sure
        waiting.extend(((*place, *step), inner, sure and s) for step, inner, s in _parts(part))
        if "$ref" in part:
            waiting.append((place, referred(schema, part), sure))


def at_place(place: Place, where: tuple[str | int, ...]) -> bool:
    """Whether a path is one of a place."""
    same = (key is None or key == step for key, step in zip(place, where, strict=False))
    return len(place) == len(where) and all(same)


def _parts(schema: dict[str, Any]) -> Iterator[tuple[Place, Any, bool]]:
    """The parts of a schema with the step that leads to the values they are about."""
    for key, part in _items(schema.get("properties")):
        yield (key,), part, True
    for _, part in _items(schema.get("patternProperties")):
        yield (None,), part, False
    named = schema.get("properties") or schema.get("patternProperties")
    for keyword in ("items", "prefixItems", "additionalProperties", "additionalItems"):
        value = schema.get(keyword)
        tuples = isinstance(value, list) or "prefixItems" in schema or "additionalItems" in schema
        alone = not tuples and not (keyword == "additionalProperties" and named)
        for part in value if isinstance(value, list) else [value]:
            yield (None,), part, alone
    for part in _listed(schema.get("allOf")):
        yield (), part, True
    for keyword in ("anyOf", "oneOf"):
        branches = _listed(schema.get(keyword))
        for at, part in enumerate(branches):
            yield (), part, not any(map(_takes_strings, branches[:at] + branches[at + 1 :]))
    for keyword in ("then", "else"):
        yield (), schema.get(keyword), False


def _takes_strings(schema: object) -> bool:
    """Whether a branch may be a string, or hold some; a look at its type alone."""
    if not isinstance(schema, dict):
        return schema is not False
    types = schema.get("type")
    named = types if isinstance(types, list) else [types]
    if types is None and ("const" in schema or "enum" in schema):
        values = schema.get("enum", [schema.get("const")])
        return any(isinstance(value, str | list | dict) for value in values)
    return types is None or any(name in ("string", "object", "array") for name in named)


def _items(value: object) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else ()


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
