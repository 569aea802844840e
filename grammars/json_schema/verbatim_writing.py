"""The schema that texts with quotes are written by."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tether.errors import SchemaError
from tether.grammars.json_schema.lint.own import VERBATIM
from tether.grammars.json_schema.verbatim_filling import (
    FILLED,
    QUOTE,
    kind_of,
    least_of,
    quoted_part,
)
from tether.grammars.json_schema.walk import NAMED, subschemas
from tether.grammars.verbatim.spans import Spans
from tether.types import Json

if TYPE_CHECKING:
    from tether.grammars.json_schema.verbatim import JsonSlots


def writable(slots: JsonSlots) -> tuple[Json, bool]:
    """The schema that texts are written by, and whether the evidence has nothing for some quote.

    Marks are left out, quotes come first in their objects, and a string that can be no quote of
    the evidence is no string.
    """
    result = copy.deepcopy(slots.schema)
    has_empty = False
    for where, part in list(subschemas(result)):
        mark = part.pop(VERBATIM, None)
        if mark:
            _check_place(where)
            inner = quoted_part(part)
            if inner is not part:
                _led_by_quote(part)
            has_empty |= _narrow(inner, slots.spans([inner], least_of(mark)))
    return result, has_empty


def _check_place(pointer: str) -> None:
    """Refuse a mark that asks for a string to be no quote, or depends on whether it is one.

    Raises:
        SchemaError: With the pointer of the mark.
    """
    steps = iter(pointer.split("/")[1:])
    for step in steps:
        if step in NAMED:
            next(steps, None)  # a name of the user's
        elif step in ("not", "if"):
            raise SchemaError(
                f"{VERBATIM} at {pointer} stands under {step!r}, where it has no meaning.",
                hint="Put it on a string that is to be written.",
                pointer=f"{pointer}/{VERBATIM}",
            )


def _narrow(part: dict[str, Any], spans: Spans) -> bool:
    """Ask a string for the length of a quote, or, where there is no quote, to be none."""
    if spans.least > 1:
        part["minLength"] = spans.least
    if not len(spans):
        rest = dict(part)
        part.clear()
        part["allOf"] = [rest, {"not": {"type": "string"}}]
    return not len(spans)


def _led_by_quote(part: dict[str, Any]) -> None:
    """Put the quote first, as what is filled in depends on it, and require what is filled in."""
    members = part["properties"]
    filled = {
        name: {"allOf": [members[name], {"type": kind_of(name, members)}]}
        for name in FILLED
        if name in members
    }
    part["properties"] = {QUOTE: members[QUOTE], **members, **filled}
    named = [name for name in (QUOTE, *FILLED) if name in members]
    required = part.get("required")
    kept = required if isinstance(required, list) else []
    part["required"] = list(dict.fromkeys([*named, *kept]))
