"""JSON Schema -> the short syntax, for prompts: names and types, no ranges, no descriptions."""

from __future__ import annotations

import json
from typing import Any

from tether.grammars.json_schema.short_words import PLAIN_NAME, PLAIN_VALUE, TYPES
from tether.grammars.json_schema.walk import referred
from tether.types import Json

_DEPTH = 8
"""References and objects inside one another; deeper ones are written as `any`."""
_FORMATS = {schema["format"]: name for name, schema in TYPES.items() if "format" in schema}
_NAMES = {"string": "str", "integer": "int", "number": "num", "boolean": "bool", "null": "null"}


def to_short(schema: Json) -> str:
    """`schema` in the short syntax.

    An object is written as its fields, anything else as a type. What the syntax cannot say is left
    out (ranges, lengths, descriptions) or written as `any`; local `$ref`s are followed.
    """
    writer = _Writer(schema)
    root = writer.resolve(schema)
    if isinstance(root, dict) and _is_object(root):
        return writer.fields(root, 0)
    return writer.kind(schema, 0)


class _Writer:
    def __init__(self, root: Json) -> None:
        self._root = root

    def fields(self, schema: dict[str, Any], depth: int) -> str:
        required = schema.get("required") or []
        return ", ".join(
            self._field(name, part, name in required, depth)
            for name, part in schema["properties"].items()
        )

    def _field(self, name: str, part: Json, required: bool, depth: int) -> str:
        key = name if PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)
        kind = self.kind(part, depth + 1)
        return key + ("" if required else "?") + ("" if kind == "str" else f" {kind}")

    def kind(self, schema: Json, depth: int) -> str:
        """The type of a value; `T?` where it may be null."""
        found: Any = self.resolve(schema)
        if not isinstance(found, dict) or depth > _DEPTH:
            return "any"
        return self._described(found, depth)

    def _described(self, schema: dict[str, Any], depth: int) -> str:
        if "enum" in schema:
            return _values(schema["enum"])
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list):
                return self._union([self.kind(part, depth) for part in schema[keyword]])
        named = schema.get("type")
        if isinstance(named, list):
            return self._union([self.kind({**schema, "type": name}, depth) for name in named])
        return self._single(schema, depth)

    def _single(self, schema: dict[str, Any], depth: int) -> str:
        named = schema.get("type")
        if _is_object(schema):
            return "{" + self.fields(schema, depth) + "}"
        if named == "array" or ("items" in schema and named is None):
            return f"[{self.kind(schema.get('items', True), depth + 1)}]"
        if "const" in schema:
            return _const(schema["const"])
        if named == "string":
            return _FORMATS.get(schema.get("format", ""), "str")
        return _NAMES.get(named, "any") if isinstance(named, str) else "any"

    def _union(self, kinds: list[str]) -> str:
        names = list(dict.fromkeys(kinds))
        others = [name.removesuffix("?") for name in names if name != "null"]
        null = "?" if "null" in names or any(name.endswith("?") for name in names) else ""
        if len(others) == 1:
            return others[0] if others[0] == "any" else others[0] + null
        if others and all(name in TYPES and name != "any" for name in others):
            return "|".join(others) + null
        return "any"

    def resolve(self, schema: Any) -> Any:  # noqa: ANN401
        """The schema behind local references and one-part `allOf`s."""
        for _ in range(_DEPTH):
            if not isinstance(schema, dict):
                return schema
            parts = schema.get("allOf")
            if "$ref" in schema:
                schema = referred(self._root, schema)
            elif isinstance(parts, list) and len(parts) == 1 and "properties" not in schema:
                schema = parts[0]
            else:
                return schema
        return True


def _is_object(schema: dict[str, Any]) -> bool:
    named = schema.get("type", "object")
    return named == "object" and bool(schema.get("properties"))


def _values(values: list[Any]) -> str:
    """Allowed values joined by bars; one alone, or one that is no scalar, by its type."""
    texts = [_value(value) for value in values if value is not None]
    null = "?" if None in values else ""
    if not texts or any(text is None for text in texts):
        return "any"
    if len(texts) == 1:
        return _const(next(v for v in values if v is not None)) + null
    if all(text in TYPES for text in texts):  # words that would read as types
        texts = [json.dumps(text) for text in texts]
    return "|".join(str(text) for text in texts) + null


def _value(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and (not PLAIN_VALUE.fullmatch(value) or value == "null"):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if isinstance(value, str) else json.dumps(value)


def _const(value: object) -> str:
    """The type of a value."""
    if isinstance(value, bool):
        return "bool"
    for kind, name in ((int, "int"), (float, "num"), (str, "str")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "any"
