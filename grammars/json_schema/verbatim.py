"""`x-tether-verbatim`: which strings of a schema are quotes, and what is filled in beside them.

On a string the keyword makes its value a substring of the evidence; on an object with a string
`quote` it does that to the quote and fills `doc`, `start` and `end`, where the object has them,
with the quote's first place.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tether.errors import EvidenceError, SchemaError
from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.front.automaton import Automaton, automaton
from tether.grammars.json_schema.front.formats import FORMATS
from tether.grammars.json_schema.front.pattern_reader import Chars
from tether.grammars.json_schema.front.patterns import pattern_language
from tether.grammars.json_schema.lint.own import MAX_TOKENS, VERBATIM
from tether.grammars.json_schema.places import Others, Place, at_place, places
from tether.grammars.json_schema.walk import NAMED, subschemas
from tether.grammars.verbatim import Evidence
from tether.grammars.verbatim.fits import longest_fits
from tether.grammars.verbatim.matcher import Path
from tether.grammars.verbatim.spans import Spans
from tether.grammars.verbatim.suffixes import Suffixes
from tether.types import Json

QUOTE, FILLED = "quote", ("doc", "start", "end")
_NEUTRAL = frozenset(("title", "description", "examples", "default", "$comment", "$schema")) | {
    *("$id", "$defs", "definitions", "allOf", "$ref"),
}
_KNOWN = frozenset(("type", "pattern", "minLength", "maxLength", "format", "enum", "const")) | {
    *(_NEUTRAL - {"allOf", "$ref"}),
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
        """Whether any value is filled in; where texts are judged, the judge looks at them."""
        return self.bounds is not None and bool(self._objects)

    @cached_property
    def exact(self) -> bool:
        """Whether a quote that may go on can always be ended, and each one is known as one."""
        is_judged = self.bounds is None and bool(self._objects)
        return not is_judged and all(map(self._is_known, self._marks))

    def quotes(self, where: Path) -> Spans | None:
        """What the string at a path may quote; None where it may be any text."""
        if where not in self._known:
            marks = [mark for mark in self._marks if at_place(mark.place, where)]
            self._known[where] = self._quotes(marks)
        return self._known[where]

    def _quotes(self, marks: list[_Mark]) -> Spans | None:
        if not marks or any(mark.others is None for mark in marks):
            return None
        least = min(mark.least for mark in marks)
        if len(marks) > 1:  # only the judge knows which of them is meant
            return self.spans([], least)
        others = marks[0].others or frozenset()
        return self.spans(self._beside(marks[0]), least, tuple(sorted(others)))

    def _beside(self, mark: _Mark) -> list[dict[str, Any]]:
        """The parts of the schema that a quote has to satisfy whatever branch is taken."""
        here = ((part, o) for place, part, o in places(self.schema) if place == mark.place)
        sure = [part for part, others in here if others is not None and not others]
        return [mark.part, *(part for part in sure if part is not mark.part)]

    def filled(self, where: Path, quotes: Sequence[tuple[Path, str]]) -> bytes | None:
        """The JSON text of a value that is filled in."""
        if not where or where[-1] not in FILLED:
            return None
        for place, members in self._objects:
            if where[-1] in members and at_place(place, where[:-1]):
                said = [text for path, text in quotes if path == (*where[:-1], QUOTE)]
                return _value(self.evidence, str(where[-1]), members, said[-1]) if said else None
        return None

    def spans(self, parts: list[dict[str, Any]], least: int, others: tuple[str, ...] = ()) -> Spans:
        """What a string may quote that all these sub-schemas are about, or else be."""
        low = max(self.least(least), *(_count(part.get("minLength")) or 0 for part in parts), 0)
        highs = [high for part in parts if (high := _count(part.get("maxLength"))) is not None]
        if self.bounds and not highs and self.bounds.max_string >= low:
            highs = [self.bounds.max_string]
        high = min(highs, default=None)
        shapes = [shape for part in parts for shape in self._shapes(part) if shape]
        key = (low, high, others, *map(id, shapes))  # the automata are kept, and so are their ids
        if key not in self._fits:
            self._fits[key] = self._made(low, high, shapes, others)
        return self._fits[key]

    def _made(
        self, low: int, high: int | None, shapes: list[Automaton], others: tuple[str, ...]
    ) -> Spans:
        if not others:
            suffixes = self.evidence.suffixes(escaped=True)
            return Spans(suffixes, low, longest_fits(suffixes, shapes, high) if shapes else None)
        suffixes = Suffixes((*self.evidence.texts, *others), escaped=True)
        longest = longest_fits(suffixes, shapes, high) if shapes else suffixes.room
        first = suffixes.count[len(self.evidence.suffixes(escaped=True).data)]
        is_other = suffixes.count[suffixes.order] >= first
        begins = np.isin(suffixes.order, suffixes.begins)
        longest = np.where(is_other, np.where(begins, suffixes.room, 0), longest)
        return Spans(suffixes, min(low, *map(len, others)), longest)

    def least(self, wanted: int) -> int:
        """The fewest characters of a quote: all of the longest passage where that is shorter."""
        return min(wanted, max(map(len, self.evidence.texts)))

    def _is_known(self, mark: _Mark) -> bool:
        """Whether all that is asked of a quote is known."""
        beside = [part for place, part, _ in places(self.schema) if place == mark.place]
        alone = all(part is mark.part or part.keys() <= _NEUTRAL for part in beside)
        named = mark.part.keys() <= _KNOWN and None not in self._shapes(mark.part)
        return alone and named and mark.others == frozenset()

    def _shapes(self, part: dict[str, Any]) -> list[Automaton | None]:
        text = json.dumps(part)
        if text not in self._shaped:
            self._shaped[text] = list(_shapes(part, self.formats, self.bounds is not None))
        return self._shaped[text]

    @cached_property
    def _known(self) -> dict[Path, Spans | None]:
        return {}

    @cached_property
    def _fits(self) -> dict[tuple[object, ...], Spans]:
        return {}

    @cached_property
    def _shaped(self) -> dict[str, list[Automaton | None]]:
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
    """A string that is a quote, or one of `others`."""

    place: Place
    part: dict[str, Any]
    least: int
    others: Others


def _marks(place: Place, part: dict[str, Any], others: Others) -> Iterator[_Mark]:
    mark = part.get(VERBATIM)
    if mark:
        inner = quoted_part(part)
        where = place if inner is part else (*place, QUOTE)
        yield _Mark(where, inner, least_of(mark), others)


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
        name: {"allOf": [members[name], {"type": _kind(name, members)}]}
        for name in FILLED
        if name in members
    }
    part["properties"] = {QUOTE: members[QUOTE], **members, **filled}
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
    if _kind(name, members) == "integer":
        return str(place.number).encode()
    return json.dumps(place.doc, ensure_ascii=False).encode()


def _kind(name: str, members: dict[str, Any]) -> str:
    """The type of a value that is filled in: a document is a number where it may be no string."""
    if name != "doc":
        return "integer"
    types = members["doc"].get("type", "string") if isinstance(members["doc"], dict) else "string"
    named = types if isinstance(types, list) else [types]
    return "integer" if "string" not in named and {"integer", "number"} & set(named) else "string"


def _shapes(part: dict[str, Any], formats: bool, generating: bool) -> Iterator[Automaton | None]:
    """Automata of the string; None for a rule that none is known for."""
    patterns = [part.get("pattern")]
    if formats and "format" in part:
        known = FORMATS.get(str(part["format"]))
        shown = known.plain if known and generating else ""
        exact = known and (known.plain_exact if shown else known.wide_exact)
        patterns += [shown or (known.wide if known else None), *([] if exact else [""])]
    for pattern in patterns:
        language = pattern_language(pattern) if isinstance(pattern, str) and pattern else None
        if pattern is not None:
            yield automaton(language.branches) if language else None
    listed = part.get("enum", [part["const"]] if "const" in part else None)
    texts = [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    if texts:
        yield automaton(tuple(tuple(Chars(((ord(c), ord(c)),)) for c in text) for text in texts))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
