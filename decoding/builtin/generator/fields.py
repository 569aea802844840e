"""The short schema line of a prompt, and the same schema as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tether.types import Json

PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")
MAX_STRING = 60
JSON_TYPES: dict[str, dict[str, Json]] = {
    "str": {"type": "string", "maxLength": MAX_STRING},
    "int": {"type": "integer"},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A field's type: `base` is str, int, num, bool, date, enum, list, object or items."""

    base: str
    choices: tuple[str, ...] = ()
    parts: tuple[Field, ...] = ()
    item: str = "str"


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a schema; `optional` may be absent, `nullable` may be null."""

    key: str
    shape: Shape
    optional: bool = False
    nullable: bool = False


def base_of(kind: str) -> str:
    """The type that a value kind has in a schema."""
    head = kind.split(":")[0]
    return {"int": "int", "num": "num", "money": "num", "date": "date"}.get(head, "str")


def short_type(shape: Shape) -> str:
    """The type as the prompt writes it; empty for a string."""
    if shape.base == "enum":
        return "|".join(shape.choices)
    if shape.base == "list":
        return f"[{shape.item}]"
    if shape.base == "object":
        return "{" + short_line(shape.parts) + "}"
    if shape.base == "items":
        return "[{" + short_line(shape.parts) + "}]"
    return "" if shape.base == "str" else shape.base


def short_line(fields: Sequence[Field]) -> str:
    """`name, born date, town?, note str?`: the schema line of a prompt."""
    words = []
    for field in fields:
        key = field.key if PLAIN_KEY.fullmatch(field.key) else f'"{field.key}"'
        kind = short_type(field.shape)
        if field.nullable:
            kind = (kind or "str") + "?"
        words.append(key + ("?" if field.optional else "") + (f" {kind}" if kind else ""))
    return ", ".join(words)


def json_type(shape: Shape) -> dict[str, Json]:
    """The JSON Schema of a type."""
    if shape.base == "enum":
        return {"enum": list(shape.choices)}
    if shape.base == "list":
        return {"type": "array", "items": dict(JSON_TYPES[shape.item]), "maxItems": 8}
    if shape.base == "object":
        return json_schema(shape.parts)
    if shape.base == "items":
        return {"type": "array", "items": json_schema(shape.parts), "maxItems": 8}
    return dict(JSON_TYPES[shape.base])


def json_schema(fields: Sequence[Field]) -> dict[str, Json]:
    """The JSON Schema of a list of fields, closed to other keys."""
    properties: dict[str, Json] = {}
    for field in fields:
        kind = json_type(field.shape)
        properties[field.key] = {"anyOf": [kind, {"type": "null"}]} if field.nullable else kind
    required: list[Json] = [field.key for field in fields if not field.optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
