"""What the rules beside a quote's mark ask of its text, as automata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tether.grammars.json_schema.front.automaton import Automaton, automaton
from tether.grammars.json_schema.front.formats import FORMATS
from tether.grammars.json_schema.front.pattern_reader import Chars
from tether.grammars.json_schema.front.patterns import pattern_language


def shapes_of(part: dict[str, Any], formats: bool, generating: bool) -> Iterator[Automaton | None]:
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


def count_of(value: object) -> int | None:
    """A length that a schema names; None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
