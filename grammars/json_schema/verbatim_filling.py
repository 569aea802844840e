"""What is filled in beside a quote, and the exact judge of both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tether.errors import EvidenceError
from tether.grammars.verbatim import Evidence
from tether.types import Json

if TYPE_CHECKING:
    from tether.grammars.json_schema.verbatim import JsonSlots

QUOTE, FILLED = "quote", ("doc", "start", "end")


def least_of(mark: object) -> int:
    """The fewest characters that a mark asks for."""
    return int(mark["min_length"]) if isinstance(mark, dict) and "min_length" in mark else 1


def quoted_part(part: dict[str, Any]) -> dict[str, Any]:
    """The sub-schema of the string that a mark is about: the `quote` of an object, or itself."""
    members = part.get("properties")
    inner = members.get(QUOTE) if isinstance(members, dict) else None
    return inner if isinstance(inner, dict) else part


def keyword(slots: JsonSlots) -> type:
    """jsonschema-rs's way to a keyword of one's own: the exact judge of a mark."""
    evidence = slots.evidence

    class Verbatim:
        def __init__(self, parent: dict[str, Any], value: Any, path: list[str | int]) -> None:  # noqa: ANN401
            self._least = slots.least(least_of(value)) if value else None
            self._members = parent.get("properties") or {}

        def validate(self, instance: Json) -> None:
            """Raise ValueError where a quote is none, or its place is another one."""
            if self._least is None:
                return
            if isinstance(instance, str):
                _check(evidence, instance, self._least)
            elif isinstance(instance, dict) and isinstance(instance.get(QUOTE), str):
                self._check_places(instance)

        def _check_places(self, instance: dict[str, Any]) -> None:
            assert self._least is not None
            _check(evidence, instance[QUOTE], self._least)
            for name in FILLED:
                if name in self._members and name in instance:
                    text = filled_value(evidence, name, self._members, instance[QUOTE]).decode()
                    if instance[name] != json.loads(text):
                        raise ValueError(f"{name} is not {text}, where the quote stands")

    return Verbatim


def _check(evidence: Evidence, quote: str, least: int) -> None:
    if len(quote) < least:
        raise ValueError(f"the quote {quote[:80]!r} has fewer than {least} characters")
    if evidence.find(quote) is None:
        raise ValueError(f"{quote[:80]!r} is not in the evidence")


def filled_value(evidence: Evidence, name: str, members: dict[str, Any], quote: str) -> bytes:
    """What is filled in beside a quote, as JSON: a document goes by name where it may."""
    place = evidence.find(quote)
    if place is None:
        raise EvidenceError(f"{quote[:80]!r} is not in the evidence.")
    if name != "doc":
        return str(place.start if name == "start" else place.end).encode()
    if kind_of(name, members) == "integer":
        return str(place.number).encode()
    return json.dumps(place.doc, ensure_ascii=False).encode()


def kind_of(name: str, members: dict[str, Any]) -> str:
    """The type of a value that is filled in: a document is a number where it may be no string."""
    if name != "doc":
        return "integer"
    types = members["doc"].get("type", "string") if isinstance(members["doc"], dict) else "string"
    named = types if isinstance(types, list) else [types]
    return "integer" if "string" not in named and {"integer", "number"} & set(named) else "string"
