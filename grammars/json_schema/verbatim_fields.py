"""`--verbatim FIELD`: the mark of a quote, put where a path leads in a schema."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from tether.errors import UsageError
from tether.grammars.json_schema.lint.own import VERBATIM
from tether.grammars.json_schema.walk import referred
from tether.types import Json

WHOLE = "."
"""The path of the whole output."""


def with_marks(schema: Json, fields: Iterable[str]) -> Json:
    """A copy of `schema` with a mark at each of `fields`: keys joined by dots.

    Items of arrays have no step of their own. A `$ref` on the way is replaced by what it leads to,
    as its other users are not meant.

    Raises:
        UsageError: The schema names no such value.
    """
    result = copy.deepcopy(schema)
    for field in fields:
        part = result if isinstance(result, dict) else None
        for key in [] if field == WHOLE else field.split("."):
            part = None if part is None else _member(result, part, key)
        if part is None:
            raise UsageError(
                f"The schema names no value at {field!r}, which --verbatim asks for.",
                hint=f"Name a key of `properties` (`a.b` inside objects), or `{WHOLE}` for the "
                "whole output.",
            )
        part = _item(result, part)
        part[VERBATIM] = part.get(VERBATIM) or True
    return result


def _member(root: Json, part: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The schema of a key, of an object or of the items of an array."""
    part = _item(root, part)
    for each in _branches(root, part):
        members = each.get("properties")
        if isinstance(members, dict) and key in members:
            return _inlined(root, members, key)
    return None


def _item(root: Json, part: dict[str, Any]) -> dict[str, Any]:
    """The schema of an array's items, of their items, and so on; else the schema itself."""
    if part is root and "$ref" in part:
        part.update(_target(root, part))
    while isinstance(part.get("items"), dict):
        part = _inlined(root, part, "items") or part
    return part


def _branches(root: Json, part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and the branches that it is made of."""
    yield part
    for keyword in ("allOf", "anyOf", "oneOf"):
        branches = part.get(keyword)
        for place in range(len(branches) if isinstance(branches, list) else 0):
            inner = _inlined(root, branches, place)
            if inner is not None:
                yield from _branches(root, inner)


def _inlined(root: Json, holder: Any, place: str | int) -> dict[str, Any] | None:  # noqa: ANN401
    """The schema at a place of its holder, its references replaced by what they lead to."""
    part = holder[place]
    if part is True:
        part = holder[place] = {}
    if isinstance(part, dict) and "$ref" in part:
        part = holder[place] = _target(root, part)
    return part if isinstance(part, dict) else None


def _target(root: Json, part: dict[str, Any]) -> dict[str, Any]:
    """What a chain of references leads to, with what stands beside them."""
    seen: set[str] = set()
    while "$ref" in part and str(part["$ref"]) not in seen:
        seen.add(str(part["$ref"]))
        target = referred(root, part)
        if not isinstance(target, dict):
            return part
        beside = {key: value for key, value in part.items() if key != "$ref"}
        part = {**copy.deepcopy(target), **beside}
    return part
