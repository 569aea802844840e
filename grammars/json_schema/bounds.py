"""Bounds that generation puts on a schema's free ends, so that greedy text cannot run away.

A bounded schema allows a subset of what the user's own allows, and never nothing where the user's
allows something: so bounds go only where a sub-schema alone decides about its value. Under `not`,
`oneOf`, `allOf` and their like a tighter part may loosen or empty the whole; those parts, and the
definitions they refer to, stay as they are. The oracle judges by the user's own schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tether.types import Json

_COMPOSED = ("$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "not", "if")
_DEFINITIONS = ("$defs", "definitions")
_MAPS = ("properties", "patternProperties")
_ONES = ("items", "additionalProperties", "additionalItems")
_LISTS = ("prefixItems", "items")
_ANNOTATIONS = frozenset(
    ("title", "description", "default", "examples", "$comment", "$schema", "$id", "id", "type")
)
_BOUND_STRING = ("maxLength", "pattern", "format", "enum", "const")
_BOUND_ARRAY = ("maxItems", "prefixItems", "contains", "enum", "const")
_BOUND_OBJECT = ("patternProperties", "additionalProperties", "enum", "const")


_NO_LEAP_SECOND = r"^[^.]*:[0-5][0-9](\.[0-9]+)?([Zz]|[+-].*)$"
"""The engine takes second 60 in every minute; only the last of a day may have one."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far open ends may go when text is generated; 0 leaves them open.

    Attributes:
        max_string: Code points of a string without a bound of its own.
        max_items: Items of an array without a bound of its own.
        extras: Whether properties that the schema does not name may be invented.
    """

    max_string: int = 256
    max_items: int = 64
    extras: bool = False


def bounded(schema: Json, bounds: Bounds) -> Json:
    """A copy of `schema` with `bounds` put where it leaves ends open."""
    if not isinstance(schema, dict):
        return schema
    fixed = _fixed_definitions(schema)
    if fixed is None:
        return schema
    result = _bound(schema, bounds)
    for keyword, name in fixed:
        result[keyword][name] = schema[keyword][name]  # type: ignore[index,call-overload]
    return result


def _bound(schema: dict[str, Any], bounds: Bounds) -> dict[str, Any]:
    result = dict(schema)
    for keyword, value in _open_parts(schema):
        if isinstance(value, list):
            result[keyword] = [_bound(v, bounds) if isinstance(v, dict) else v for v in value]
        elif keyword in _ONES:
            result[keyword] = _bound(value, bounds)
        else:
            result[keyword] = {
                k: _bound(v, bounds) if isinstance(v, dict) else v for k, v in value.items()
            }
    if any(keyword in schema for keyword in _COMPOSED):
        return result
    if _is_open(schema, "string", _BOUND_STRING) and bounds.max_string:
        result["maxLength"] = max(bounds.max_string, int(schema.get("minLength", 0)))
    if schema.get("format") in ("date-time", "time") and "pattern" not in schema:
        result["pattern"] = _NO_LEAP_SECOND
    if _is_open(schema, "array", _BOUND_ARRAY) and bounds.max_items:
        result["maxItems"] = max(bounds.max_items, int(schema.get("minItems", 0)))
    if _is_open(schema, "object", _BOUND_OBJECT) and not bounds.extras and _names_all(schema):
        result["additionalProperties"] = False
    return result


def _open_parts(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keywords whose sub-schemas alone decide about their values."""
    yield from _present(schema, _DEFINITIONS, dict)
    if not any(keyword in schema for keyword in _COMPOSED):
        yield from _present(schema, (*_MAPS, *_ONES), dict)
        yield from _present(schema, _LISTS, list)
    elif _is_plain_union(schema):
        yield from _present(schema, ("anyOf",), list)


def _present(schema: dict[str, Any], keywords: tuple[str, ...], kind: type) -> Iterator[Any]:
    yield from ((k, schema[k]) for k in keywords if isinstance(schema.get(k), kind))


def _is_plain_union(schema: dict[str, Any]) -> bool:
    return "anyOf" in schema and schema.keys() <= _ANNOTATIONS | {"anyOf", *_DEFINITIONS}


def _is_plain_reference(schema: dict[str, Any]) -> bool:
    return "$ref" in schema and schema.keys() <= _ANNOTATIONS | {"$ref", *_DEFINITIONS}


def _is_open(schema: dict[str, Any], kind: str, own: tuple[str, ...]) -> bool:
    """Whether values of `kind` are allowed and no keyword of the user's own bounds them."""
    named = schema.get("type", kind)
    allowed = kind == named or (isinstance(named, list) and kind in named)
    return allowed and not any(keyword in schema for keyword in own)


def _names_all(schema: dict[str, Any]) -> bool:
    """Whether the named properties alone can satisfy the object's other keywords."""
    named = schema.get("properties")
    if not isinstance(named, dict) or not named:
        return False
    required = schema.get("required")
    known = not isinstance(required, list) or set(map(str, required)) <= named.keys()
    return known and int(schema.get("minProperties", 0)) <= len(named)


def _fixed_definitions(root: dict[str, Any]) -> set[tuple[str, str]] | None:
    """Definitions that must stay as they are; None where that cannot be told."""
    found: set[tuple[str, str]] = set()
    waiting = list(_closed_references(root))
    while waiting:
        reference = waiting.pop()
        entry = _definition(root, reference)
        if entry is None:
            return None
        if entry not in found:
            found.add(entry)
            waiting.extend(_references(root[entry[0]][entry[1]]))
    return found


def _definition(root: dict[str, Any], reference: str) -> tuple[str, str] | None:
    parts = reference.split("/")
    if len(parts) != 3 or parts[0] != "#" or parts[1] not in _DEFINITIONS:
        return None
    name = parts[2].replace("~1", "/").replace("~0", "~")
    return (parts[1], name) if name in root.get(parts[1], {}) else None


def _closed_references(schema: Any) -> Iterator[str]:  # noqa: ANN401
    """References from places that are not bounded: what they name must not be either."""
    if not isinstance(schema, dict):
        return
    below = dict(_open_parts(schema))
    for keyword, value in schema.items():
        if keyword in below:
            parts = value if isinstance(value, list) else value.values()
            for part in [value] if keyword in _ONES and isinstance(value, dict) else parts:
                yield from _closed_references(part)
        elif not (keyword == "$ref" and _is_plain_reference(schema)):
            yield from _references({keyword: value})


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Every reference in `value`, at any depth."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(part, str):
                yield part
            else:
                yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)
