"""Names that JSON Schema does not know: misspelt keywords and formats, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import accumulate, islice
from typing import Any

from tether.grammars.findings import Finding
from tether.grammars.json_schema.formats import FORMATS
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.grammars.json_schema.walk import KEYWORDS, escape, local_reference, subschemas
from tether.types import Json

_MOST_KEYWORDS = 500
"""Unknown keywords that are looked up where a run waits for them."""


@dataclass(frozen=True, slots=True)
class _Strange:
    """A name that is not known: a keyword or a format."""

    kind: str
    name: str
    pointer: str


def word_findings(schema: Json) -> Iterator[Finding]:
    """Every name that is probably misspelt; each other unknown name once."""
    return _remarks(_strangers(schema))


def unknown_keywords(schema: Json) -> Iterator[Finding]:
    """The same of keywords alone, the first few of them."""
    keywords = (strange for strange in _strangers(schema) if strange.kind == "keyword")
    return _remarks(islice(keywords, _MOST_KEYWORDS))


def _remarks(strangers: Iterable[_Strange]) -> Iterator[Finding]:
    notes: dict[tuple[str, str], list[str]] = {}
    for strange in strangers:
        near = _near(strange.name, FORMATS if strange.kind == "format" else KEYWORDS)
        if near:
            message = SCHEMA["format_typo" if strange.kind == "format" else "typo"]
            yield message.on(strange.pointer, name=strange.name, near=near)
        else:
            notes.setdefault((strange.kind, strange.name), []).append(strange.pointer)
    for (kind, name), places in notes.items():
        message = SCHEMA["format_unknown" if kind == "format" else "unknown"]
        others = len(places) - 1
        more = f" (also in {others} more place{'s' * (others > 1)})" if others else ""
        yield message.on(places[0], name=name, more=more)


def _strangers(schema: Json) -> Iterator[_Strange]:
    parts = dict(subschemas(schema))
    # References may lead into a shelf of schemas, as into OpenAPI's `components`.
    shelves = {
        way
        for part in parts.values()
        for target in local_reference(part)
        for way in accumulate(target.split("/"), "{}/{}".format)
    }
    for where, part in parts.items():
        for name in part:
            here = f"{where}/{escape(name)}"
            if name not in KEYWORDS and not name.startswith("x-") and here not in shelves:
                yield _Strange("keyword", name, here)
        form: Any = part.get("format")
        if isinstance(form, str) and form not in FORMATS:
            yield _Strange("format", form, f"{where}/format")


def _near(name: str, known: frozenset[str]) -> str:
    """The known word that `name` is probably meant to be, or ""."""
    if name.startswith("_"):  # a keyword that someone took out
        return ""
    lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    return lower[near[0]] if near else ""
