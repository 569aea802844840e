"""Names that JSON Schema does not know: misspelt keywords and formats, and notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from tether.grammars.findings import Finding
from tether.grammars.json_schema.formats import FORMATS
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.grammars.json_schema.walk import KEYWORDS, escape, local_reference, subschemas
from tether.types import Json


@dataclass(frozen=True, slots=True)
class _Strange:
    """A name that is not known: a keyword or a format."""

    kind: str
    name: str
    pointer: str


def word_findings(schema: Json) -> Iterator[Finding]:
    """Every name that is probably misspelt; each other unknown name once."""
    notes: dict[tuple[str, str], list[str]] = {}
    for strange in _strangers(schema):
        near = _near(strange.name, FORMATS if strange.kind == "format" else KEYWORDS)
        if near:
            message = SCHEMA["format_typo" if strange.kind == "format" else "typo"]
            yield message.on(strange.pointer, name=strange.name, near=near)
        else:
            notes.setdefault((strange.kind, strange.name), []).append(strange.pointer)
    for (kind, name), places in notes.items():
        message = SCHEMA["format_unknown" if kind == "format" else "unknown"]
        more = f" (also in {len(places) - 1} more places)" if len(places) > 1 else ""
        yield message.on(places[0], name=name, more=more)


def _strangers(schema: Json) -> Iterator[_Strange]:
    parts = dict(subschemas(schema))
    targets = [f"{target}/" for part in parts.values() for target in local_reference(part)]
    for where, part in parts.items():
        for name in part:
            here = f"{where}/{escape(name)}"
            if name in KEYWORDS or name.startswith("x-"):
                continue
            # References may lead into a shelf of schemas, as into OpenAPI's `components`.
            if not any(target.startswith(f"{here}/") for target in targets):
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
