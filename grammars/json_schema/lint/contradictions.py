"""Parts of a schema that no value fits."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from tether.grammars.findings import Finding
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.grammars.json_schema.lint.values import RANGES, is_range_empty
from tether.grammars.json_schema.walk import ANNOTATIONS

if TYPE_CHECKING:
    from jsonschema_rs.canonical import Cause, UnsatisfiableReason

    from tether.grammars.json_schema.lint.parts import Parts

Dead = dict[str, str]
"""Why no value fits, by the JSON Pointer of the part."""


def contradiction_findings(parts: Parts) -> Generator[Finding, None, Dead]:
    """The contradictions but those of branches, which are returned with all others."""
    dead = {
        where: _why(parts, where, reason)
        for where, reason in parts.unsatisfiable().items()
        if where in parts.each and (not where or not _forbids(parts.each[where]))
    }
    for where, why in dead.items():
        if not where:
            yield SCHEMA["impossible"].on("", why=why)
        elif not is_branch(where):
            yield SCHEMA["nothing_fits"].on(where, where=where, why=why)
    return dead


def is_branch(pointer: str) -> bool:
    """Whether a pointer leads to one of several branches."""
    above = pointer.rpartition("/")[0]
    return above.endswith(("/anyOf", "/oneOf"))


def _forbids(part: dict[str, object]) -> bool:
    """Whether a part says in so many words that nothing fits: `{"not": {}}`."""
    return part.keys() - ANNOTATIONS == {"not"} and part["not"] in ({}, True)


def _why(parts: Parts, where: str, reason: UnsatisfiableReason) -> str:
    import jsonschema_rs

    reasons = jsonschema_rs.canonical.UnsatisfiableReason
    for low, high, _ in RANGES:
        if is_range_empty(parts.each[where], low, high):
            return f"{low} {parts.each[where][low]} is above {high} {parts.each[where][high]}"
    if isinstance(reason, reasons.Conflict):
        places = {cause.pointer for cause in reason.causes}
        named = [_named(cause, len(places) > 1) for cause in reason.causes]
        return f"{' and '.join(named)} exclude each other"
    if isinstance(reason, reasons.Empty):
        if len(reason.cause.keywords) > 1:
            return f"{' and '.join(map(repr, reason.cause.keywords))} exclude each other"
        return f"{_named(reason.cause, reason.cause.pointer != where)} admits nothing"
    return "it is false"


def _named(cause: Cause, placed: bool) -> str:
    where = cause.pointer or "the root"
    if not cause.keywords:
        return where
    keywords = ", ".join(map(repr, cause.keywords))
    return f"{keywords} at {where}" if placed else keywords
