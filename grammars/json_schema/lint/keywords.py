"""Keywords without effect: of another draft, about another type, or alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tether.grammars.findings import Finding
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.grammars.json_schema.lint.values import shown, types
from tether.grammars.json_schema.walk import ABOUT, ANNOTATIONS, KEYWORDS, escape

_DRAFTS = {
    4: "draft-04",
    6: "draft-06",
    7: "draft-07",
    19: "draft 2019-09",
    20: "draft 2020-12",
}
_SINCE = {
    **dict.fromkeys(("const", "contains", "propertyNames"), 6),
    **dict.fromkeys(("if", "then", "else"), 7),
    **dict.fromkeys(("dependentRequired", "dependentSchemas", "minContains", "maxContains"), 19),
    **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties", "$recursiveRef"), 19),
    **dict.fromkeys(("prefixItems", "$dynamicRef"), 20),
}
"""The draft that a keyword came with."""
_DROPPED = {"additionalItems": "items beside prefixItems", "$recursiveRef": "$dynamicRef"}
"""What the newest draft knows no more, and what to write instead."""
_NEEDS = (
    ("then", ("if",)),
    ("else", ("if",)),
    ("if", ("then", "else")),
    ("minContains", ("contains",)),
    ("maxContains", ("contains",)),
    ("contentSchema", ("contentMediaType",)),
)
_EFFECTIVE = KEYWORDS - ANNOTATIONS - {"$ref", "$defs", "definitions"}
_KINDS = {"string": "a string", "number": "a number", "array": "an array", "object": "an object"}


def keyword_findings(where: str, part: dict[str, Any], draft: int) -> Iterator[Finding]:
    """The keywords of one sub-schema that do nothing."""
    yield from _draft(where, part, draft)
    yield from _alone(where, part)
    yield from _other_type(where, part)


def _draft(where: str, part: dict[str, Any], draft: int) -> Iterator[Finding]:
    """Keywords that the schema's own draft ignores."""
    named = _DRAFTS[draft]
    for name in part:
        here = f"{where}/{escape(name)}"
        if draft < _SINCE.get(name, 0):
            yield SCHEMA["late"].on(here, name=name, since=_DRAFTS[_SINCE[name]], draft=named)
        elif draft >= 20 and name in _DROPPED:
            yield SCHEMA["dropped"].on(here, name=name, draft=named, instead=_DROPPED[name])
        elif draft < 19 and name in _EFFECTIVE and isinstance(part.get("$ref"), str):
            yield SCHEMA["beside_ref"].on(here, name=name, draft=named)


def _alone(where: str, part: dict[str, Any]) -> Iterator[Finding]:
    """Keywords that need another one."""
    for name, others in _NEEDS:
        if name in part and not part.keys() & set(others):
            yield SCHEMA["needs"].on(f"{where}/{name}", name=name, other=others[0])


def _other_type(where: str, part: dict[str, Any]) -> Iterator[Finding]:
    """Keywords about a type that the value cannot have."""
    kinds = types(part)
    if not kinds:
        return
    if "integer" in kinds:
        kinds.add("number")
    for kind, names in ABOUT.items():
        for name in sorted(part.keys() & names) if kind not in kinds else ():
            yield SCHEMA["other_type"].on(
                f"{where}/{name}", name=name, kind=_KINDS[kind], type=shown(part["type"])
            )
