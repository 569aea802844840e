"""A schema the canonical form cannot model -> one that it can, and that accepts no less."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tether.types import Json

_COMMENTS = frozenset(("$ref", "$schema", "title", "description", "$comment"))
_HELD = frozenset(("const", "enum", "default", "examples", "required", "type"))
"""Keywords whose values are no schemas."""
_NEGATIVE = frozenset(
    (
        "not",
        "if",
        "then",
        "else",
        "unevaluatedProperties",
        "unevaluatedItems",
        "contains",
        "minContains",
        "maxContains",
        "propertyNames",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "$dynamicRef",
        "$recursiveRef",
    )
)
"""Keywords that only forbid: without them a schema accepts no less."""
Change = Callable[[dict[str, Any]], dict[str, Any]]

_TURNING = frozenset(("not", "if", "oneOf", "contains", "enum", "const", "unevaluatedProperties"))
"""Keywords under which a weaker part may make the whole stricter."""
_NAMES = frozenset(("properties", "patternProperties", "$defs", "definitions"))


def weaker(schema: object) -> list[Any]:
    """Ever weaker forms of a schema.

    First without the `$schema` of embedded parts, which mostly repeat the root's; then without
    what only forbids.
    """
    dialect = schema.get("$schema") if isinstance(schema, dict) else None

    alone = not any(_has_company(part) for part in _objects(schema))

    def without_dialect(part: dict[str, Any]) -> dict[str, Any]:
        """The part without a draft that says nothing new."""
        same = part is schema or alone or _plain(part.get("$schema")) == _plain(dialect)
        return {k: v for k, v in part.items() if k != "$schema"} if same else part

    plain = rebuilt(schema, without_dialect)
    if isinstance(plain, dict) and dialect is not None:
        plain["$schema"] = dialect
    return [plain, rebuilt(plain, _without_bans)]


def names_drafts(schema: object) -> bool:
    """Whether a document built into a schema names a draft: the library reads all by one."""
    shelves = (schema.get(k) for k in ("$defs", "definitions")) if isinstance(schema, dict) else ()
    parts = (p for shelf in shelves if isinstance(shelf, dict) for p in shelf.values())
    return any(isinstance(part, dict) and "$schema" in part for part in parts)


def without_repeated_draft(schema: Json) -> Json:
    """The schema where no part names the draft that the root names."""
    if not isinstance(schema, dict) or "$schema" not in schema:
        return schema
    dialect = schema["$schema"]

    def without(part: dict[str, Any]) -> dict[str, Any]:
        """The part without the root's draft."""
        same = _plain(part.get("$schema")) == _plain(dialect)
        return {k: v for k, v in part.items() if k != "$schema"} if same else part

    return {**rebuilt(schema, without), "$schema": dialect}  # type: ignore[dict-item]


def _objects(schema: object) -> Iterator[dict[str, Any]]:
    """Every object below a schema."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _has_company(part: dict[str, Any]) -> bool:
    """Whether keywords stand beside a reference: drafts differ in whether those count."""
    return isinstance(part.get("$ref"), str) and bool(part.keys() - _COMMENTS)


def _plain(dialect: object) -> str:
    """A draft's address without the ends that differ from hand to hand."""
    return str(dialect).rstrip("#").removeprefix("http:").removeprefix("https:")


def _without_bans(part: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in part.items() if k not in _NEGATIVE}
    if "oneOf" in kept and "anyOf" not in kept:
        kept["anyOf"] = kept.pop("oneOf")
    kept.pop("oneOf", None)
    return kept


def rebuilt(schema: object, change: Change, names: bool = False) -> object:
    """A copy with every sub-schema changed.

    Args:
        schema: A schema, a list of them, or an object whose values are schemas.
        change: What to do with the keywords of one schema.
        names: Whether the keys of this object are names, not keywords.
    """
    if isinstance(schema, list):
        return [rebuilt(part, change) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = schema if names else change(schema)
    return {
        k: v if not names and k in _HELD else rebuilt(v, change, not names and k in _NAMES)
        for k, v in kept.items()
    }


def without_refused(schema: Json, path: list[str | int]) -> Json | None:
    """A copy without the keyword at `path`, whose value breaks the rules of JSON Schema.

    None where the whole might then accept less.
    """
    if not path or _TURNING.intersection(map(str, path)):
        return None
    copy = json.loads(json.dumps(schema))
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
        if step == "patternProperties":
            return _without_patterns(copy, path)
    if path[-1] == "patternProperties":
        return _without_patterns(copy, path)
    if not isinstance(holder, dict):
        return None
    del holder[path[-1]]
    return copy  # type: ignore[no-any-return]


def _without_patterns(copy: Any, path: list[str | int]) -> Json:  # noqa: ANN401
    """The schema without a `patternProperties` and what leans on it."""
    holder = copy
    for step in path[: path.index("patternProperties")]:
        holder = holder[step]
    for keyword in ("patternProperties", "additionalProperties", "unevaluatedProperties"):
        holder.pop(keyword, None)
    return copy  # type: ignore[no-any-return]
