"""tether's own keywords, which begin with `x-tether-`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from tether.errors import SchemaError
from tether.grammars.findings import Finding
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.grammars.json_schema.walk import escape, subschemas
from tether.types import Json

PREFIX = "x-tether-"
VERBATIM = f"{PREFIX}verbatim"
"""On strings, and on objects with a `quote`: the string is a substring of the evidence."""
MAX_TOKENS = f"{PREFIX}max-tokens"
"""A positive integer, on strings: the most tokens that the string may take."""

_WANTED = {
    VERBATIM: 'a boolean or {"min_length": n}',
    MAX_TOKENS: "a positive integer",
}


def own_findings(where: str, part: dict[str, Any]) -> Iterator[Finding]:
    """Keywords of tether that do not exist or have a wrong value."""
    for name, value in part.items():
        here = f"{where}/{escape(name)}"
        if not name.startswith(PREFIX):
            continue
        if name not in _WANTED:
            near = get_close_matches(name, _WANTED, n=1, cutoff=0.75)
            cure = f"Did you mean {near[0]!r}?" if near else f"It knows {', '.join(_WANTED)}."
            yield SCHEMA["own_unknown"].on(here, name=name, cure=cure)
        elif not _is_right(name, value):
            shown = json.dumps(value, ensure_ascii=False)
            yield SCHEMA["own_value"].on(here, name=name, wanted=_WANTED[name], value=shown)


def may_have_own(text: str) -> bool:
    """Whether JSON text may hold a keyword of tether: most schemas need not be walked for one."""
    return PREFIX in text or "\\u" in text


def refuse_own(schema: Json) -> None:
    """Refuse a keyword of tether that is misspelt or has a wrong value: it asks for something.

    Raises:
        SchemaError: With the JSON Pointer of the keyword.
    """
    for where, part in subschemas(schema):
        for finding in own_findings(where, part):
            if finding.level == "error":
                raise refusal(finding)


def refusal(finding: Finding) -> SchemaError:
    """The error that a finding is, where the schema is to be used."""
    message = f"The schema is refused at {finding.pointer}: {finding.message}"
    return SchemaError(message, hint=finding.hint, pointer=finding.pointer)


def _is_right(name: str, value: object) -> bool:
    if name == VERBATIM and isinstance(value, bool):
        return True
    if name == VERBATIM:
        if not isinstance(value, dict) or value.keys() != {"min_length"}:
            return False
        value = value["min_length"]
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
