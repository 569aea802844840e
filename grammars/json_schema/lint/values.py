"""What keywords say about values that does not go together: ranges, enums, required keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from tether.grammars.findings import Finding
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.types import Json

RANGES = (
    ("minimum", "maximum", "number"),
    ("minLength", "maxLength", "string"),
    ("minItems", "maxItems", "array"),
    ("minProperties", "maxProperties", "object"),
    ("minContains", "maxContains", "array"),
)
"""Lower and upper bounds, and what they speak about."""

TYPES = frozenset(("string", "number", "integer", "boolean", "null", "array", "object"))


def value_findings(where: str, part: dict[str, Any]) -> Iterator[Finding]:
    """What does not go together in one sub-schema."""
    yield from _ranges(where, part)
    yield from _enum(where, part)
    yield from _required(where, part)


def is_range_empty(part: dict[str, Any], low: str, high: str) -> bool:
    """Whether a lower bound is above its upper bound."""
    least, most = part.get(low), part.get(high)
    return _is_number(least) and _is_number(most) and least > most  # type: ignore[operator]


def types(part: dict[str, Any]) -> set[str]:
    """The types that a sub-schema names; empty where it names none, or one that does not exist."""
    named = part.get("type")
    listed = named if isinstance(named, list) else [named]
    found = {each for each in listed if isinstance(each, str)}
    return found if found <= TYPES else set()


def shown(value: Json) -> str:
    """A value in a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _ranges(where: str, part: dict[str, Any]) -> Iterator[Finding]:
    kinds = types(part)
    for low, high, kind in RANGES:
        if is_range_empty(part, low, high) and not kinds:  # a type makes it a contradiction
            yield SCHEMA["range"].on(
                where, kind=kind, low=low, high=high, least=part[low], most=part[high]
            )


def _enum(where: str, part: dict[str, Any]) -> Iterator[Finding]:
    kinds, values = types(part), part.get("enum")
    if not kinds or not isinstance(values, list):
        return
    wrong = [index for index, value in enumerate(values) if not _fits(value, kinds)]
    for index in wrong if len(wrong) < len(values) else ():  # all: a contradiction
        yield SCHEMA["enum_type"].on(
            f"{where}/enum/{index}", value=shown(values[index]), type=shown(part["type"])
        )


def _required(where: str, part: dict[str, Any]) -> Iterator[Finding]:
    """Required keys that the object has no property for."""
    required, named = part.get("required"), part.get("properties")
    if not isinstance(required, list) or not isinstance(named, dict):
        return
    if part.keys() & {"$ref", "allOf", "anyOf", "oneOf", "patternProperties"}:
        return  # the key may be described there
    closed = part.get("additionalProperties") is False
    for index, key in enumerate(required):
        if not isinstance(key, str) or key in named:
            continue
        near = get_close_matches(key, named, n=1, cutoff=0.6)
        cure = f"Did you mean {near[0]!r}?" if near else f"Describe {key!r} under properties."
        message = SCHEMA["required_closed" if closed else "required_open"]
        yield message.on(f"{where}/required/{index}", key=key, cure=cure)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(value: Json, kinds: set[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int | float):
        return "number" in kinds or ("integer" in kinds and float(value).is_integer())
    table = {str: "string", list: "array", dict: "object", type(None): "null"}
    return table[type(value)] in kinds
