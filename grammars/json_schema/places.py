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
Others = frozenset[str] | None
"""Strings, or None for those that cannot be listed."""
_NONE: Others = frozenset()


def places(schema: Json) -> Iterator[tuple[Place, dict[str, Any], Others]]:
    """(place, sub-schema, others), outer ones first.

    `others` are the strings that may stand at the place though the part refuses them, as another
    branch lists them; None where these cannot be listed.
    """
    waiting: deque[tuple[Place, Any, Others]] = deque([((), schema, frozenset())])
    for _ in range(_MOST_PARTS):
        if not waiting:
            return
        place, part, others = waiting.popleft()
        if not isinstance(part, dict):
            continue
        yield place, part, others
        waiting.extend((place + step, p, _joined(step, others, o)) for step, p, o in _parts(part))
        if "$ref" in part:
            waiting.append((place, referred(schema, part), others))


def _joined(step: Place, outer: Others, inner: Others) -> Others:
    """Strings beside a part of a part; those of an outer value are none of an inner one."""
    if outer is None or inner is None or (step and outer):
        return None
    return outer | inner


def at_place(place: Place, where: tuple[str | int, ...]) -> bool:
    """Whether a path is one of a place."""
    same = (key is None or key == step for key, step in zip(place, where, strict=False))
    return len(place) == len(where) and all(same)


def _parts(schema: dict[str, Any]) -> Iterator[tuple[Place, Any, Others]]:
    """The parts of a schema with the step that leads to the values they are about."""
    for key, part in _items(schema.get("properties")):
        yield (key,), part, _NONE
    for _, part in _items(schema.get("patternProperties")):
        yield (None,), part, None
    named = schema.get("properties") or schema.get("patternProperties")
    for keyword in ("items", "prefixItems", "additionalProperties", "additionalItems"):
        value = schema.get(keyword)
        tuples = isinstance(value, list) or "prefixItems" in schema or "additionalItems" in schema
        alone = not tuples and not (keyword == "additionalProperties" and named)
        for part in value if isinstance(value, list) else [value]:
            yield (None,), part, _NONE if alone else None
    for part in _listed(schema.get("allOf")):
        yield (), part, _NONE
    for keyword in ("anyOf", "oneOf"):
        branches = _listed(schema.get(keyword))
        for at, part in enumerate(branches):
            beside = [_strings(other) for other in branches[:at] + branches[at + 1 :]]
            known = [strings for strings in beside if strings is not None]
            yield (), part, frozenset().union(*known) if len(known) == len(beside) else None
    for keyword in ("then", "else"):
        yield (), schema.get(keyword), None


def _strings(schema: object) -> Others:
    """The strings that a branch may be; None where these, or some inside it, cannot be listed."""
    if not isinstance(schema, dict):
        return _NONE if schema is False else None
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(values, list):
        has_inner = any(isinstance(value, list | dict) for value in values)
        return None if has_inner else frozenset(v for v in values if isinstance(v, str))
    types = schema.get("type")
    names = types if isinstance(types, list) else [types]
    return _NONE if {"null", "boolean", "number", "integer"}.issuperset(names) else None


def _items(value: object) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else ()


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
