"""Every sub-schema of a schema with its JSON Pointer; the keywords of all drafts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


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
    """(pointer, object) of `schema` and everything below it, in document order."""
    if not isinstance(schema, dict):
        return
    yield pointer, schema
    for keyword, value in schema.items():
        here = f"{pointer}/{escape(keyword)}"
        if keyword in ONE and isinstance(value, dict):
            yield from subschemas(value, here)
        elif keyword in MANY and isinstance(value, list):
            for index, part in enumerate(value):
                yield from subschemas(part, f"{here}/{index}")
        elif keyword in NAMED and isinstance(value, dict):
            for name, part in value.items():
                yield from subschemas(part, f"{here}/{escape(name)}")


def escape(key: str) -> str:
    """A key as a part of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
