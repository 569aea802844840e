"""What in a schema the mask cannot hold, so that values are judged after they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tether.grammars.findings import Finding
from tether.grammars.json_schema.lint.branches import MOST_BRANCHES
from tether.grammars.json_schema.lint.messages import SCHEMA

if TYPE_CHECKING:
    from tether.grammars.json_schema.lint.parts import Parts

_MOST_VALUES = 63
"""Values of an enum whose use in an array the mask remembers."""
_MOST_PATTERNS = 3
"""Patterns of keys in one object that the mask tells apart."""
_LONGEST = 2000
"""Length of a string up to which the mask counts."""
_IRREGULAR = frozenset(
    ("iri", "iri-reference", "idn-email", "idn-hostname", "uri-template", "regex")
)
"""Formats that no regular expression says."""
_LOOK = re.compile(r"\(\?<?[=!]|\\[1-9]")

_WHEN = {
    "moderate": "where its value closes, not token by token",
    "heavy": "only where a whole array, object or branch closes, so that much may be written again",
}
_CURES = {
    "moderate": "Nothing to do: now and then a value is written again.",
    "heavy": "Where you can, say it with enum, const, required or prefixItems.",
}


def cost_findings(parts: Parts) -> Iterator[Finding]:
    """The cost class of the schema with its first reason; nothing where the mask holds it all."""
    found = [
        (cost, where, name)
        for where, part in parts.each.items()
        for name, kind, cost, applies in _RULES
        if isinstance(part.get(name), kind) and applies(parts, where, part)
    ]
    if not found:
        return
    heavy = [each for each in found if each[0] == "heavy"]
    cost, where, name = (heavy or found)[0]
    others = len(found) - 1
    more = f"; so are {others} other keywords" if others > 1 else ""
    more = "; so is one other keyword" if others == 1 else more
    yield SCHEMA["cost"].on(
        where,
        cost=cost,
        name=name,
        where=where or "the root",
        when=_WHEN[cost],
        more=more,
        cure=_CURES[cost],
    )


Rule = Callable[["Parts", str, dict[str, Any]], bool]


def _not(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    return not parts.is_resolved(where, ("not",))


def _one_of(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    return len(part["oneOf"]) > MOST_BRANCHES or not parts.is_resolved(where, ("oneOf",))


def _if(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    return not parts.is_resolved(where, ("if", "then", "else"))


def _unique_items(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    items = part.get("items")
    values = items.get("enum") if isinstance(items, dict) else None
    return part["uniqueItems"] and not (isinstance(values, list) and len(values) <= _MOST_VALUES)


def _patterns(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    return len(part["patternProperties"]) > _MOST_PATTERNS


def _pattern(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    return bool(_LOOK.search(part["pattern"]))


def _length(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    return bool(part["maxLength"] > _LONGEST)


def _format(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    return part["format"] in _IRREGULAR


def _always(parts: Parts, where: str, part: dict[str, Any]) -> bool:
    return True


_RULES: tuple[tuple[str, type | tuple[type, ...], str, Rule], ...] = (
    ("not", dict, "heavy", _not),
    ("oneOf", list, "heavy", _one_of),
    ("if", dict, "heavy", _if),
    ("contains", dict, "heavy", _always),
    ("unevaluatedItems", (bool, dict), "heavy", _always),
    ("unevaluatedProperties", (bool, dict), "heavy", _always),
    ("patternProperties", dict, "moderate", _patterns),
    ("uniqueItems", bool, "moderate", _unique_items),
    ("pattern", str, "moderate", _pattern),
    ("maxLength", int, "moderate", _length),
    ("format", str, "moderate", _format),
)
"""Keyword, type of a value that counts, cost class, and where it applies."""
