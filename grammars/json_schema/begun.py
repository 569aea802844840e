"""A schema -> what a value must satisfy that is not finished: nothing that may yet come is missed.

Good for a quick look only: what it lets through may be lost all the same (where two branches of a
`oneOf` hold, say), and what it refuses may be mended.
"""

from __future__ import annotations

from typing import Any

from tether.grammars.json_schema.walk import MANY, NAMED, ONE

_MENDED = frozenset(
    (
        "required",
        "minItems",
        "minProperties",
        "contains",
        "minContains",
        "maxContains",
        "dependentRequired",
        "dependencies",
    )
)
"""Keywords that further members or items may come to satisfy."""
_TURNING = frozenset(("not", "if"))
"""Keywords under which less is more."""


def begun(schema: Any) -> Any:  # noqa: ANN401
    """The schema without what further members and items can mend.

    Raises:
        RecursionError: It is nested too deeply.
    """
    if not isinstance(schema, dict):
        return schema
    kept = {k: _begun_under(k, v) for k, v in schema.items() if k not in _MENDED}
    branches = kept.get("oneOf")
    if branches != schema.get("oneOf"):  # two unfinished values may look alike
        del kept["oneOf"]
        kept.setdefault("anyOf", branches)
    return kept


def _begun_under(keyword: str, value: Any) -> Any:  # noqa: ANN401
    if keyword in _TURNING:
        return value
    if keyword in NAMED and isinstance(value, dict):
        return {name: begun(part) for name, part in value.items()}
    if keyword in MANY and isinstance(value, list):
        return [begun(part) for part in value]
    return begun(value) if keyword in ONE else value
