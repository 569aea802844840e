"""Every sub-schema of a schema with its JSON Pointer; the keywords of all drafts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ONE = _words(
    "items additionalItems additionalProperties unevaluatedItems unevaluatedProperties contains "
    "propertyNames not if then else contentSchema"
)
"""Keywords whose value is a schema."""
MANY = _words("allOf anyOf oneOf prefixItems items")
"""Keywords whose value is a list of schemas."""
NAMED = _words("properties patternProperties $defs definitions dependentSchemas dependencies")
"""Keywords whose value is an object of schemas."""
ANNOTATIONS = _words(
    "title description default examples example deprecated readOnly writeOnly $comment $schema "
    "$id id $anchor $dynamicAnchor $recursiveAnchor $vocabulary nullable"
)
"""Keywords that allow and forbid nothing (`nullable` and `example` are OpenAPI's)."""
ABOUT = {
    "string": _words(
        "minLength maxLength pattern format contentEncoding contentMediaType contentSchema"
    ),
    "number": _words("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"),
    "array": _words(
        "items additionalItems prefixItems unevaluatedItems contains minContains maxContains "
        "minItems maxItems uniqueItems"
    ),
    "object": _words(
        "properties patternProperties additionalProperties unevaluatedProperties required "
        "propertyNames minProperties maxProperties dependencies dependentRequired dependentSchemas"
    ),
}
"""Which keywords speak about which type."""
KEYWORDS = (
    ONE
    | MANY
    | NAMED
    | ANNOTATIONS
    | frozenset[str]().union(*ABOUT.values())
    | _words("type enum const $ref $dynamicRef $recursiveRef")
)


def subschemas(schema: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """(pointer, object) of `schema` and everything below it, in document order.

    What a local `$ref` leads to comes last where no keyword leads there, as in OpenAPI's
    `components`.
    """
    seen: set[str] = set()
    wanted: list[str] = []
    todo = [(pointer, schema)]
    while todo:
        here, part = todo.pop()
        if isinstance(part, dict):
            seen.add(here)
            wanted += local_reference(part)
            children = list(_children(here, part))  # a caller may change `part`
            yield here, part
            todo += reversed(children)
        if not todo:
            todo = [(p, resolve(schema, p)) for p in dict.fromkeys(wanted) if p not in seen]
            wanted = []


def _children(pointer: str, part: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword, value in part.items():
        here = f"{pointer}/{escape(keyword)}"
        if keyword in ONE and isinstance(value, dict):
            yield here, value
        elif keyword in MANY and isinstance(value, list):
            yield from ((f"{here}/{index}", each) for index, each in enumerate(value))
        elif keyword in NAMED and isinstance(value, dict):
            yield from ((f"{here}/{escape(name)}", each) for name, each in value.items())


def local_reference(part: dict[str, Any]) -> list[str]:
    """The JSON Pointer that a `$ref` beside the root's own names, in a list; else nothing."""
    target = part.get("$ref")
    return [unquote(target[1:])] if isinstance(target, str) and target.startswith("#/") else []


def resolve(schema: Any, pointer: str) -> Any:  # noqa: ANN401
    """The value at a JSON Pointer, or None where there is none."""
    value = schema
    for name in pointer.split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        else:
            inside = isinstance(value, list) and key.isdigit() and int(key) < len(value)
            value = value[int(key)] if inside else None
    return value


def referred(root: Any, part: dict[str, Any]) -> Any:  # noqa: ANN401
    """What the local `$ref` of a part of `root` leads to, or None where it leads nowhere."""
    if part.get("$ref") == "#":
        return root
    return next((resolve(root, pointer) for pointer in local_reference(part)), None)


def escape(key: str) -> str:
    """A key as a part of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
