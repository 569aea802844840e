"""`x-tether-verbatim`: which strings of a schema are quotes, and what is filled in beside them.

On a string the keyword makes its value a substring of the evidence; on an object with a string
`quote` it does that to the quote and fills `doc`, `start` and `end`, where the object has them,
with the quote's first place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.front.automaton import Automaton
from tether.grammars.json_schema.lint.own import MAX_TOKENS, VERBATIM
from tether.grammars.json_schema.places import Others, Place, at_place, places
from tether.grammars.json_schema.verbatim_filling import (
    FILLED,
    QUOTE,
    filled_value,
    least_of,
    quoted_part,
)
from tether.grammars.json_schema.verbatim_shapes import count_of, shapes_of
from tether.grammars.json_schema.walk import subschemas
from tether.grammars.verbatim import Evidence
from tether.grammars.verbatim.fits import longest_fits
from tether.grammars.verbatim.matcher import Path
from tether.grammars.verbatim.spans import Spans
from tether.grammars.verbatim.suffixes import Suffixes
from tether.types import Json

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
                return (
                    filled_value(self.evidence, str(where[-1]), members, said[-1]) if said else None
                )
        return None

    def spans(self, parts: list[dict[str, Any]], least: int, others: tuple[str, ...] = ()) -> Spans:
        """What a string may quote that all these sub-schemas are about, or else be."""
        low = max(self.least(least), *(count_of(part.get("minLength")) or 0 for part in parts), 0)
        highs = [high for part in parts if (high := count_of(part.get("maxLength"))) is not None]
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
            self._shaped[text] = list(shapes_of(part, self.formats, self.bounds is not None))
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
