"""A string under facts."""

from __future__ import annotations

from collections.abc import Sequence

import jsonschema_rs

from tether.grammars.json_schema.front.formats import FORMATS
from tether.grammars.json_schema.witness.effort import Effort
from tether.grammars.json_schema.witness.goals import Fact
from tether.grammars.json_schema.witness.words import Words, word


def text(facts: Sequence[Fact], effort: Effort) -> str | None:
    """A string that all facts hold for; None where there is none."""
    consts = [fact.value for fact in facts if fact.keyword == "const" and fact.holds]
    if consts:
        fits = all(_meets(consts[0], fact) == fact.holds for fact in facts)
        return str(consts[0]) if fits else None
    return word(_asked(facts, effort), effort)


def _meets(text: str, fact: Fact) -> bool:
    """Whether a keyword holds for a string."""
    return jsonschema_rs.is_valid({fact.keyword: fact.value}, text, validate_formats=True)


def _asked(facts: Sequence[Fact], effort: Effort) -> Words:
    matching: list[str] = []
    failing: list[str] = []
    excluded: list[str] = []
    low, high = 0, None
    for keyword, value, _, holds in facts:
        match keyword:
            case "pattern":
                (matching if holds else failing).append(value)
            case "format":
                effort.doubt()
                shape = FORMATS.get(value)
                matching += [shape.plain or shape.wide] if shape else []
            case "minLength" | "maxLength":
                is_low = (keyword == "minLength") == holds
                least = value if holds else value + (-1 if keyword == "minLength" else 1)
                low = max(low, least) if is_low else low
                high = high if is_low else least if high is None else min(high, least)
            case "const":
                excluded.append(value)
    return Words(tuple(matching), tuple(failing), low, high, tuple(excluded))
