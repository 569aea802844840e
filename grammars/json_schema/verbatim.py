"""`x-tether-verbatim`: which strings of a schema are quotes, and what is filled in beside them.

On a string the keyword makes its value a substring of the evidence; on an object with a string
`quote` it does that to the quote and fills `doc`, `start` and `end`, where the object has them,
with the quote's first place.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tether.errors import EvidenceError
from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.front.formats import FORMATS
from tether.grammars.json_schema.front.patterns import pattern_language
from tether.grammars.json_schema.lint.own import MAX_TOKENS, VERBATIM
from tether.grammars.json_schema.places import Place, at_place, places
from tether.grammars.json_schema.walk import subschemas
from tether.grammars.verbatim import Evidence
from tether.grammars.verbatim.fits import longest_fits
from tether.grammars.verbatim.matcher import Path
from tether.grammars.verbatim.spans import Spans
from tether.grammars.verbatim.suffixes import Suffixes
from tether.types import Json

QUOTE, FILLED = "quote", ("doc", "start", "end")
_KNOWN = frozenset(("type", "pattern", "minLength", "maxLength", "format", "enum", "const")) | {
    *("title", "description", "examples", "default", "$comment"),
    *(VERBATIM, MAX_TOKENS),
}
"""Keywords beside the mark that a quote's shape is known by; others are left to the judge."""


def is_marked(schema: Json) -> bool:
    """Whether a schema asks for quotes."""
    if VERBATIM not in json.dumps(schema):  # a tenth of the time of a walk
        return False
    return any(part.get(VERBATIM) for _, part in subschemas(schema))


def least_of(mark: object) -> int:
    """The fewest characters that a mark asks for."""
    return int(mark["min_length"]) if isinstance(mark, dict) and "min_length" in mark else 1


def quoted_part(part: dict[str, Any]) -> dict[str, Any]:
    """The sub-schema of the string that a mark is about: the `quote` of an object, or itself."""
    members = part.get("properties")
    inner = members.get(QUOTE) if isinstance(members, dict) else None
    return inner if isinstance(inner, dict) else part


@dataclass(frozen=True)
class JsonSlots:
    """The quotes of the texts under one schema.

    Args:
        schema: The user's schema.
        evidence: What is quoted.
        bounds: Those of generating.
        formats: Whether formats are rules.
    """

    schema: Json
    evidence: Evidence
    bounds: Bounds | None = None
    formats: bool = True

    @cached_property
    def fills(self) -> bool:
        """Whether any value is filled in."""
        return bool(self._objects)

    @cached_property
    def exact(self) -> bool:
        """Whether a quote that may go on can always be ended, and each one is known as one."""
        places = {mark.place for mark in self._marks}
        is_filled_first = self.bounds is not None or not self.fills
        known = all(map(self._is_known, self._marks))
        return known and is_filled_first and len(places) == len(self._marks)

    def quotes(self, where: Path) -> Spans | None:
        """What the string at a path may quote; None where it may be any text."""
        if where not in self._known:
            marks = [m for m in self._marks if m.is_sure and at_place(m.place, where)]
            found = [self.spans(mark.part, mark.least) for mark in marks]
            if len(found) > 1:  # only the judge knows which of them is meant
                found = [Spans(self._suffixes, min(spans.least for spans in found))]
            self._known[where] = next(iter(found), None)
        return self._known[where]

    def filled(self, where: Path, quotes: Sequence[tuple[Path, str]]) -> bytes | None:
        """The JSON text of a value that is filled in."""
        if not where or where[-1] not in FILLED:
            return None
        for place, members in self._objects:
            if where[-1] in members and at_place(place, where[:-1]):
                said = [text for path, text in quotes if path == (*where[:-1], QUOTE)]
                return _value(self.evidence, str(where[-1]), members, said[-1]) if said else None
        return None

    def spans(self, part: dict[str, Any], least: int) -> Spans:
        """What a string of this sub-schema may quote."""
        low = max(self.least(least), _count(part.get("minLength")) or 0)
        high = _count(part.get("maxLength"))
        if self.bounds and high is None and low <= self.bounds.max_string:
            high = self.bounds.max_string or None
        bodies = [body for body in self._shapes(part) if body]
        if not bodies:
            return Spans(self._suffixes, low)
        key = "\0".join([str(low), str(high), *bodies])
        if key not in self._fits:
            self._fits[key] = Spans(self._suffixes, low, longest_fits(self._suffixes, bodies, high))
        return self._fits[key]

    def least(self, wanted: int) -> int:
        """The fewest characters of a quote: all of the longest passage where that is shorter."""
        return min(wanted, max(map(len, self.evidence.texts)))

    def _is_known(self, mark: _Mark) -> bool:
        """Whether all that is asked of a quote is known."""
        named = mark.part.keys() <= _KNOWN
        return mark.is_sure and named and None not in self._shapes(mark.part)

    def _shapes(self, part: dict[str, Any]) -> list[str | None]:
        return list(_shapes(part, self.formats, self.bounds is not None))

    @cached_property
    def _suffixes(self) -> Suffixes:
        return self.evidence.suffixes(escaped=True)

    @cached_property
    def _known(self) -> dict[Path, Spans | None]:
        return {}

    @cached_property
    def _fits(self) -> dict[str, Spans]:
        return {}

    @cached_property
    def _marks(self) -> list[_Mark]:
        return [mark for part in places(self.schema) for mark in _marks(*part)]

    @cached_property
    def _objects(self) -> list[tuple[Place, dict[str, Any]]]:
        """Marked objects with the members that are filled."""
        found = []
        for place, part, _ in places(self.schema):
            if part.get(VERBATIM) and quoted_part(part) is not part:
                members = {name: part["properties"].get(name) for name in FILLED}
                found.append((place, {name: m for name, m in members.items() if m is not None}))
        return [(place, members) for place, members in found if members]


@dataclass(frozen=True)
class _Mark:
    """A string that is a quote; `is_sure` where no branch of the schema says otherwise."""

    place: Place
    part: dict[str, Any]
    least: int
    is_sure: bool


def _marks(place: Place, part: dict[str, Any], is_sure: bool) -> Iterator[_Mark]:
    mark = part.get(VERBATIM)
    if mark:
        inner = quoted_part(part)
        where = place if inner is part else (*place, QUOTE)
        yield _Mark(where, inner, least_of(mark), is_sure)


def needed(evidence: Evidence | None) -> Evidence:
    """The evidence.

    Raises:
        EvidenceError: There is none.
    """
    return evidence if evidence is not None else Evidence(())


def writable(slots: JsonSlots) -> tuple[Json, bool]:
    """The schema that texts are written by, and whether the evidence has nothing for some quote.

    Marks are left out, quotes come first in their objects, and a string that can be no quote of
    the evidence is no string.
    """
    result = copy.deepcopy(slots.schema)
    has_empty = False
    for _, part in list(subschemas(result)):
        mark = part.pop(VERBATIM, None)
        if mark:
            inner = quoted_part(part)
            if inner is not part:
                _led_by_quote(part)
            has_empty |= _narrow(inner, slots.spans(inner, least_of(mark)))
    return result, has_empty


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
    part["properties"] = {QUOTE: members[QUOTE], **members}
    named = [name for name in (QUOTE, *FILLED) if name in members]
    required = part.get("required")
    kept = required if isinstance(required, list) else []
    part["required"] = list(dict.fromkeys([*named, *kept]))


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
                    text = _value(evidence, name, self._members, instance[QUOTE]).decode()
                    if instance[name] != json.loads(text):
                        raise ValueError(f"{name} is not {text}, where the quote stands")

    return Verbatim


def _check(evidence: Evidence, quote: str, least: int) -> None:
    if len(quote) < least:
        raise ValueError(f"the quote {quote[:80]!r} has fewer than {least} characters")
    if evidence.find(quote) is None:
        raise ValueError(f"{quote[:80]!r} is not in the evidence")


def _value(evidence: Evidence, name: str, members: dict[str, Any], quote: str) -> bytes:
    """What is filled in beside a quote, as JSON: a document goes by name where it may."""
    place = evidence.find(quote)
    if place is None:
        raise EvidenceError(f"{quote[:80]!r} is not in the evidence.")
    if name != "doc":
        return str(place.start if name == "start" else place.end).encode()
    kind = members["doc"].get("type") if isinstance(members["doc"], dict) else None
    if kind in ("integer", "number"):
        return str(place.number).encode()
    return json.dumps(place.doc, ensure_ascii=False).encode()


def _shapes(part: dict[str, Any], formats: bool, generating: bool) -> Iterator[str | None]:
    """Regexes of the spelled string; None for one that cannot be said by a regular expression."""
    patterns = [part.get("pattern")]
    if formats and "format" in part:
        known = FORMATS.get(str(part["format"]))
        shown = known.plain if known and generating else ""
        exact = known and (known.plain_exact if shown else known.wide_exact)
        patterns += [shown or (known.wide if known else None), *([] if exact else [""])]
    for pattern in patterns:
        language = pattern_language(pattern) if isinstance(pattern, str) and pattern else None
        if pattern is not None:
            yield language.body if language else None
    listed = part.get("enum", [part["const"]] if "const" in part else None)
    texts = [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    if texts:
        yield "|".join(map(_literal, texts))


def _literal(text: str) -> str:
    return re.escape(json.dumps(text, ensure_ascii=False)[1:-1])


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
