"""Why no value satisfies a schema, as an error with the pointers of what contradicts."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from jsonschema_rs.canonical import CanonicalizationError, UnsatisfiableReason, find_unsatisfiable

from tether.errors import Unsatisfiable
from tether.types import Json


def no_value(schema: Json, options: dict[str, Any]) -> Unsatisfiable:
    """The refusal of a schema that allows nothing."""
    causes = _causes(schema, options)
    if len(causes) > 1:
        places = " and ".join(dict.fromkeys(causes))
        message = f"No JSON value satisfies the schema: {places} contradict each other."
        hint = "Change one of them so that some value fits both."
    else:
        message = f"No JSON value satisfies the schema: {causes[0]} allows none."
        hint = "Correct the part that is false or contradicts itself."
    return Unsatisfiable(message, hint=hint, pointer=_pointer(causes[0]))


def _causes(schema: Json, options: dict[str, Any]) -> list[str]:
    """Pointers of the parts to blame, the innermost first."""
    try:
        found = find_unsatisfiable(schema, **options)  # type: ignore[arg-type]
    except (CanonicalizationError, jsonschema_rs.ValidationError, ValueError):
        return ["the root"]
    where = ""
    for _ in range(len(found)):
        reason = found.get(where)
        if isinstance(reason, UnsatisfiableReason.Conflict):
            return [_named(c.pointer, list(c.keywords)) for c in reason.causes]
        if not isinstance(reason, UnsatisfiableReason.Empty):
            break
        if reason.cause.keywords or reason.cause.pointer == where:
            return [_named(reason.cause.pointer, list(reason.cause.keywords))]
        where = reason.cause.pointer
    return [_named(where, [])]


def _named(pointer: str, keywords: list[str]) -> str:
    if not keywords:
        return pointer or "the root"
    return " and ".join(f"{pointer}/{keyword}" for keyword in keywords)


def _pointer(place: str) -> str:
    return "" if place == "the root" else place.split(" and ")[0]
