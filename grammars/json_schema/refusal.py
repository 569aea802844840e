"""What the strict engine refuses in a schema: where, which keyword, and the cure.

The engine names a keyword but no place. The place is found by compiling: keywords that could be
the cause are taken out until the complaint is gone, and the one that makes the difference is it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tether.errors import SchemaError
from tether.grammars.findings import Finding
from tether.grammars.json_schema.walk import escape, subschemas
from tether.types import Json

_CONDITION = ("if", "then", "else")
_MOST = 20
"""Refusals named in one schema; after so many the rest is not worth the compiles."""

CURES = {
    "not": "Say what is allowed instead: a narrower type, enum, or pattern.",
    "oneOf": "Write anyOf; it means the same where no value fits two branches.",
    "format": "Remove the format, or write its rule as a pattern.",
    "if": "Write the cases as anyOf, each with its own const and required.",
    "then": "Write the cases as anyOf, each with its own const and required.",
    "else": "Write the cases as anyOf, each with its own const and required.",
    "dependencies": "Write the cases as anyOf, each with its own required.",
    "dependentRequired": "Write the cases as anyOf, each with its own required.",
    "dependentSchemas": "Write the cases as anyOf, each with its own required.",
    "uniqueItems": "Remove it, and take out what comes twice afterwards.",
    "contains": "Name the wanted item with prefixItems, or remove it.",
    "propertyNames": "Write the names' rule as patternProperties with additionalProperties false.",
    "minProperties": "Name the wanted properties in required.",
    "maxProperties": "Name the allowed properties and set additionalProperties to false.",
    "patternProperties": "Make the patterns exclude each other, and keep them free of look-around.",
    "pattern": "Write it as a regular expression without look-around and backreferences.",
    "$ref": "Refer to a definition in this schema, without other keywords beside a recursive $ref.",
    "allOf": "Join the parts into one schema.",
    "minimum": "Use a smaller bound, or remove it.",
    "maximum": "Use a smaller bound, or remove it.",
    "multipleOf": "Use a multiple with fewer digits, or remove it.",
    "const": "Use a smaller integer, or a string.",
    "enum": "Use smaller integers, or strings.",
    "type": "Use string, number, integer, boolean, null, array or object.",
}

_NAMED_BY = (
    (r"53 bits", ("const", "enum")),
    (r"oneOf constraints", ("oneOf",)),
    (r"Unknown format: (?P<value>.*)", ("format",)),
    (r"min/maxProperties", ("minProperties", "maxProperties")),
    (r"patternProperty", ("patternProperties",)),
    (r"circular references|Resource|[Uu]nresolvable|[Rr]eference|[Pp]ointer", ("$ref",)),
    (r"regex parse error|lookarounds|invalid regex", ("pattern", "patternProperties")),
    (r"intersection", ("allOf", "$ref")),
    (r"range", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")),
    (r"multipleOf|[Mm]ultiple", ("multipleOf",)),
    (r"[Ii]nvalid type|type", ("type",)),
    (r"too large|too many|[Ll]imit", ("maxLength", "maxItems", "minLength", "minItems")),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """A keyword that the engine refuses, and what it says."""

    pointer: str
    keyword: str
    reason: str

    @property
    def hint(self) -> str:
        """The cure."""
        if "unsatisfiable" in self.reason:
            return "No value fits; correct the keywords that contradict each other."
        return CURES.get(self.keyword, "Remove it or say the same with other keywords.")

    @property
    def message(self) -> str:
        """A sentence for people."""
        where = self.pointer or "the root"
        what = f"The keyword {self.keyword!r}" if self.keyword else "Something"
        return f"{what} at {where} cannot be held exactly by the mask engine: {self.reason}."


def refusal(schema: Json, message: str, complain: Callable[[Json], str]) -> SchemaError:
    """The engine's refusal of `schema` as an error with the pointer of its cause.

    Args:
        schema: The refused schema.
        message: What the engine said.
        complain: Says what the engine has against a schema, "" for nothing.
    """
    cause = _cause(schema, _reason(message), complain)
    return SchemaError(cause.message, hint=cause.hint, pointer=cause.pointer)


def refusals(schema: Json, complain: Callable[[Json], str]) -> Iterator[Finding]:
    """Every cause of refusal in a schema, one after the other."""
    rest = copy.deepcopy(schema)
    for _ in range(_MOST):
        message = complain(rest)
        if not message:
            return
        cause = _cause(rest, _reason(message), complain)
        yield Finding("error", cause.pointer, cause.message, cause.hint)
        if not cause.keyword:
            return
        part = dict(subschemas(rest))[cause.pointer]
        for keyword in _CONDITION if cause.keyword == "if" else (cause.keyword,):
            part.pop(keyword, None)


def _reason(message: str) -> str:
    first = re.sub(r"^(at )?\d+\(\d+\): ", "", message.strip().split("\n")[0])
    first = first.removeprefix("failed to compile JSON schema: ").rstrip(".:")
    detail = re.search(r"^error: (.*)$", message, re.MULTILINE)
    return f"{first}: {detail[1]}" if detail else first


def _cause(schema: Json, reason: str, complain: Callable[[Json], str]) -> Cause:
    suspects = _suspects(schema, reason)
    # Taking out suspects[k:] for ever smaller k cures at some point: that suspect is a cause, and
    # the first one in the document that no later one explains.
    low, high = 0, len(suspects)
    while low + 1 < high:
        middle = (low + high) // 2
        cured = _reason(complain(_without(schema, suspects[middle:]))) != reason
        low, high = (middle, high) if cured else (low, middle)
    if not suspects or _reason(complain(_without(schema, suspects[low:]))) == reason:
        return Cause("", "", reason)
    pointer, keyword = suspects[low]
    if keyword in _CONDITION and "if" in dict(subschemas(schema))[pointer]:
        keyword = "if"
    return Cause(pointer, keyword, _plain(reason, keyword))


def _suspects(schema: Json, reason: str) -> list[tuple[str, str]]:
    """(pointer, keyword) of everything that could be meant, in document order."""
    names, value = _names(reason)
    return [
        (pointer, keyword)
        for pointer, part in subschemas(schema)
        for keyword in part
        if keyword in names and (value is None or part[keyword] == value)
    ]


def _names(reason: str) -> tuple[tuple[str, ...], str | None]:
    keys = re.search(r"Unimplemented keys: \[(.*)\]", reason)
    if keys:
        return tuple(re.findall(r'"([^"]*)"', keys[1])), None
    for pattern, names in _NAMED_BY:
        match = re.search(pattern, reason)
        if match:
            return names, match.groupdict().get("value")
    return tuple(CURES), None


def _without(schema: Any, causes: list[tuple[str, str]]) -> Any:  # noqa: ANN401
    """A copy of `schema` without some keywords."""
    gone = {f"{pointer}/{escape(keyword)}" for pointer, keyword in causes}

    def prune(value: Any, here: str) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            kept = ((k, v, f"{here}/{escape(k)}") for k, v in value.items())
            return {k: prune(v, at) for k, v, at in kept if at not in gone}
        if isinstance(value, list):
            return [prune(part, f"{here}/{i}") for i, part in enumerate(value)]
        return value

    return prune(schema, "")


def _plain(reason: str, keyword: str) -> str:
    if reason.startswith("Unimplemented keys"):
        return f"it does not implement {keyword!r}"
    if reason.startswith("oneOf"):
        return "it cannot show that no value fits two branches"
    return reason[:1].lower() + reason[1:] if reason[1:2].islower() else reason
