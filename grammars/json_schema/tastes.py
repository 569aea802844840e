"""What is worth saying first at a place of a JSON text under a schema: guesses, no rules.

The mask and the judge decide; a good guess saves them a search. Guesses are read off the schema by
the key whose value a part of it is about, wherever that key stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from tether.grammars.json_schema.numbers import telling_numbers
from tether.grammars.json_schema.samples import sample
from tether.grammars.json_schema.scanner import Frame
from tether.grammars.json_schema.walk import referred, subschemas
from tether.types import Json

_MOST_WORDS = 64
_MOST_PARTS = 64
"""Parts that are looked at for one key: references lead back to themselves."""
_PLAIN = {
    "integer": (b"0", b"1"),
    "number": (b"0", b"1"),
    "string": (b'""',),
    "array": (b"[]", b"["),
    "object": (b"{}", b"{"),
    "null": (b"null",),
    "boolean": (b"true",),
}
"""The plainest values of each type, and where to begin others."""
_RUN = re.compile(r"[A-Za-z0-9_ -]+")
_LONG_PIECE = 24
_SAME_VALUE = ("allOf", "anyOf", "oneOf", "then", "else")
_ITEMS = ("items", "prefixItems", "additionalItems", "contains")

Place = tuple[str | None, int]
"""The last key on the way to a value, None where there is none, and how many arrays follow it."""


class Tastes:
    """The guesses of one schema.

    Args:
        schema: The user's schema.
    """

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        self._known: dict[Place, tuple[list[list[bytes]], list[bytes]]] = {}

    def branches(self, frame: Frame) -> list[list[bytes]]:
        """The keys that parts of the schema require of the object that is open, part by part."""
        return self._about(_place(frame.below))[0] or [self._everywhere[0]]

    def values(self, frame: Frame | None) -> tuple[list[bytes], list[bytes]]:
        """Values to be tried inside `frame`, or as the whole text: those of its place, and all."""
        return self._about(_place(frame))[1], self._everywhere[1]

    @property
    def pieces(self) -> list[bytes]:
        """Pieces of strings, long ones first."""
        return self._everywhere[2]

    def _about(self, place: Place) -> tuple[list[list[bytes]], list[bytes]]:
        """Lists of required keys, and values, for what stands at a place."""
        if place not in self._known:
            parts = self._parts(place)
            required = [list(map(_text, _listed(part.get("required")))) for part in parts]
            shown = map(_text, chain.from_iterable(map(_shown, parts)))
            values = dict.fromkeys(chain(shown, _plain(parts)))
            self._known[place] = [names for names in required if names], list(values)
        return self._known[place]

    def _parts(self, place: Place) -> list[dict[str, Any]]:
        """What the schema says about the values of a place."""
        key, depth = place
        found = self._alike([self._schema] if key is None else self._named.get(key, []))
        for _ in range(depth):
            found = self._alike([each for part in found for each in _under(part, _ITEMS)])
        return found

    def _alike(self, parts: list[Any]) -> list[dict[str, Any]]:
        """Parts, and all inside them that are about the same values."""
        found: list[dict[str, Any]] = []
        waiting = list(parts)
        for part in waiting:  # grows on the way
            if isinstance(part, dict) and part not in found and len(found) < _MOST_PARTS:
                found.append(part)
                waiting += [referred(self._schema, part), *_under(part, _SAME_VALUE)]
        return found

    @cached_property
    def _named(self) -> dict[str, list[Any]]:
        """The parts about each key."""
        named: dict[str, list[Any]] = {}
        for _, part in subschemas(self._schema):
            properties = part.get("properties")
            for name, value in properties.items() if isinstance(properties, dict) else ():
                named.setdefault(name, []).append(value)
        return named

    @cached_property
    def _everywhere(self) -> tuple[list[bytes], list[bytes], list[bytes]]:
        """Required keys, values, and pieces of strings, of the whole schema.

        Long numbers come first: what is refused may be tried with nothing more behind it.
        """
        keys: dict[bytes, None] = {}
        values = dict.fromkeys(chain.from_iterable(_PLAIN.values()))
        pieces: dict[bytes, None] = {}
        for _, part in subschemas(self._schema):
            keys.update(dict.fromkeys(map(_text, _listed(part.get("required")))))
            shown = _shown(part)
            values.update(dict.fromkeys(map(_text, shown)))
            patterns = [part.get("pattern"), *_named(part.get("patternProperties"))]
            runs = [run for text in patterns if isinstance(text, str) for run in _RUN.findall(text)]
            runs += [text for text in shown if isinstance(text, str) and len(text) < _LONG_PIECE]
            pieces.update(dict.fromkeys(_text(run)[1:-1] for run in runs if run))
        numbers = sorted(map(_text, telling_numbers(self._schema)), key=len, reverse=True)
        values = dict.fromkeys([*numbers, *sorted(values, key=len)[:_MOST_WORDS]])
        longest = sorted(pieces, key=len, reverse=True)[:_MOST_WORDS]
        return list(keys)[:_MOST_WORDS], list(values), longest


def _place(frame: Frame | None) -> Place:
    """Where the values inside `frame` stand."""
    depth = 0
    while frame and not frame.is_object:
        depth, frame = depth + 1, frame.below
    return (str(json.loads(frame.keys[-1])) if frame and frame.keys else None), depth


def _under(part: dict[str, Any], keywords: Sequence[str]) -> Iterator[Any]:
    """The schemas of some keywords of a part."""
    for keyword in keywords:
        value = part.get(keyword)
        yield from value if isinstance(value, list) else [value]


def _shown(part: dict[str, Any]) -> list[Any]:
    """The values that a part shows."""
    shown = [*_listed(part.get("enum")), *_listed(part.get("examples"))]
    shown += [part[word] for word in ("const", "default") if word in part]
    pattern, least = part.get("pattern"), part.get("minLength")
    if isinstance(pattern, str) and (text := sample(pattern)) is not None:
        shown.append(text)
    if isinstance(least, int) and 0 < least < _LONG_PIECE:
        shown.append("a" * least)
    return shown


def _plain(parts: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """The plainest values of the types that parts name."""
    for part in parts:
        types = part.get("type")
        for name in types if isinstance(types, list) else [types]:
            if isinstance(name, str) and name in _PLAIN:
                yield from _PLAIN[name]


def _text(value: Any) -> bytes:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _named(value: object) -> Sequence[str]:
    return list(value) if isinstance(value, dict) else ()


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
