"""Findings about a schema: typos, contradictions, keywords without effect, engine refusals."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from tether.errors import SchemaError
from tether.grammars.findings import Finding
from tether.grammars.json_schema.source import read_schema
from tether.grammars.json_schema.walk import ABOUT, KEYWORDS, escape, subschemas
from tether.types import Json

_PAIRS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minContains", "maxContains"),
)
_TYPES = ("string", "number", "integer", "boolean", "null", "array", "object")


def schema_findings(schema: str | dict[str, Any] | bool) -> list[Finding]:
    """Everything to say about a schema without a vocabulary, errors first."""
    from tether.grammars.json_schema.oracle import Oracle

    try:
        value, _ = read_schema(schema)
        found = list(_remarks(value))
        Oracle(value)
        found += _refused(value)
    except SchemaError as error:
        found = [*([] if isinstance(schema, str) else list(_remarks(schema))), _finding(error)]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda f: order[f.level])


def _finding(error: SchemaError) -> Finding:
    return Finding("error", error.pointer or "", error.message, error.hint, error.excerpt)


def _refused(schema: Json) -> Iterator[Finding]:
    from tether.grammars.json_schema.compile import complaint
    from tether.grammars.json_schema.refusal import refusals

    if schema is False:
        yield Finding("error", "", "The schema is false: no JSON text satisfies it.")
        return
    yield from refusals(schema, complaint)


def _remarks(schema: Json | dict[str, Any]) -> Iterator[Finding]:
    for pointer, part in subschemas(schema):
        yield from _unknown(pointer, part)
        yield from _contradictions(pointer, part)
        yield from _missing(pointer, part)
        yield from _without_effect(pointer, part)


def _unknown(pointer: str, part: dict[str, Any]) -> Iterator[Finding]:
    """Keywords that JSON Schema does not know: validators ignore them in silence."""
    for keyword in part:
        if keyword in KEYWORDS or keyword.startswith("x-"):
            continue
        here = f"{pointer}/{escape(keyword)}"
        near = get_close_matches(keyword, KEYWORDS, n=1, cutoff=0.75)
        if near:
            message = f"{keyword!r} is not a keyword of JSON Schema and has no effect."
            yield Finding("warning", here, message, f"Did you mean {near[0]!r}?")
        else:
            message = f"{keyword!r} is not a keyword of JSON Schema; it is ignored."
            yield Finding("info", here, message, "Prefix notes of your own with 'x-'.")


def _contradictions(pointer: str, part: dict[str, Any]) -> Iterator[Finding]:
    where = pointer or "the root"
    for low, high in _PAIRS:
        if _is_number(part.get(low)) and _is_number(part.get(high)) and part[low] > part[high]:
            message = f"{low} {part[low]} is above {high} {part[high]} at {where}: nothing fits."
            yield Finding("error", pointer, message, "Exchange or correct the two.")
    if part.get("enum") == []:
        yield Finding("error", pointer, f"enum is empty at {where}: nothing fits.", "List values.")
    named = part.get("type")
    kinds = {named} if isinstance(named, str) else set(named) if isinstance(named, list) else set()
    kinds &= set(_TYPES)
    if kinds and isinstance(part.get("enum"), list):
        for value in part["enum"]:
            if not _fits(value, kinds):
                message = f"The enum value {value!r} at {where} is not of type {named!r}."
                yield Finding("warning", pointer, message, "Correct the type or the value.")


def _missing(pointer: str, part: dict[str, Any]) -> Iterator[Finding]:
    """Required keys that the object has no property for."""
    required, named = part.get("required"), part.get("properties")
    if not isinstance(required, list) or not isinstance(named, dict) or "$ref" in part:
        return
    closed = part.get("additionalProperties") is False and "patternProperties" not in part
    for key in required:
        if key in named or not isinstance(key, str):
            continue
        near = get_close_matches(key, named, n=1, cutoff=0.6)
        hint = f"Did you mean {near[0]!r}?" if near else f"Describe {key!r} under properties."
        end = "and no other is allowed: nothing fits" if closed else "so it may be anything"
        message = f"The required key {key!r} at {pointer or 'the root'} has no property, {end}."
        yield Finding("error" if closed else "warning", pointer, message, hint)


def _without_effect(pointer: str, part: dict[str, Any]) -> Iterator[Finding]:
    """Keywords about a type that the value cannot have."""
    named = part.get("type")
    if not isinstance(named, str) or named not in _TYPES:
        return
    own = "number" if named == "integer" else named
    for kind, keywords in ABOUT.items():
        if kind == own:
            continue
        for keyword in sorted(part.keys() & keywords):
            message = f"{keyword!r} speaks about a {kind}, but the type is {named!r}."
            yield Finding("warning", f"{pointer}/{escape(keyword)}", message, "Remove one of them.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(value: object, kinds: set[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int | float):
        return "number" in kinds or ("integer" in kinds and float(value).is_integer())
    table = {str: "string", list: "array", dict: "object", type(None): "null"}
    return table[type(value)] in kinds
