"""Why no value satisfies a schema, as an error with the pointers of what contradicts."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from jsonschema_rs.canonical import (
    CanonicalizationError,
    Cause,
    UnsatisfiableReason,
    find_unsatisfiable,
)

from tether.errors import Unsatisfiable
from tether.types import Json


def no_value(schema: Json, options: dict[str, Any]) -> Unsatisfiable:
    """The refusal of a schema that allows nothing."""
    return contradiction(_places(schema, options))


def contradiction(pointers: list[str]) -> Unsatisfiable:
    """The error that blames the parts at these pointers."""
    places = list(dict.fromkeys(pointers))
    named = " and ".join(place or "the root" for place in places)
    if len(places) > 1:
        message = f"No JSON value satisfies the schema: {named} contradict each other."
        hint = "Change one of them so that some value fits them all."
    else:
        message = f"No JSON value satisfies the schema: {named} allows none."
        hint = "Correct the part that is false or contradicts itself."
    return Unsatisfiable(message, hint=hint, pointer=places[0])


def _places(schema: Json, options: dict[str, Any]) -> list[str]:
    """Pointers of the keywords to blame, or of the part where none is named; "" is the root."""
    try:
        found = find_unsatisfiable(schema, **options)  # type: ignore[arg-type]
    except (CanonicalizationError, jsonschema_rs.ValidationError, ValueError):
        return [""]
    where = ""
    for _ in range(len(found)):
        reason = found.get(where)
        if isinstance(reason, UnsatisfiableReason.Conflict):
            return [place for cause in reason.causes for place in _named(cause)]
        if not isinstance(reason, UnsatisfiableReason.Empty):
            break
        if reason.cause.keywords or reason.cause.pointer == where:
            return _named(reason.cause)
        where = reason.cause.pointer
    return [where]


def _named(cause: Cause) -> list[str]:
    return [f"{cause.pointer}/{keyword}" for keyword in cause.keywords] or [cause.pointer]
