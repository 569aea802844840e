"""Branches of a `oneOf` that always hold: where there are two, nothing satisfies the part.

Schemas written for function calls often require every property and then ask for one of several
sets of them. The canonical form does not see through that.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from jsonschema_rs.canonical import Satisfiability

from tether.grammars.json_schema.front.refuse import contradiction
from tether.grammars.json_schema.front.weaker import rebuilt
from tether.grammars.json_schema.walk import subschemas
from tether.types import Json

_MOST_TRIED = 8
"""Parts that are looked at alone, to blame the right one."""


def check_entailed(schema: Json, options: dict[str, Any]) -> None:
    """Look for such a `oneOf` where every value has to meet it.

    Raises:
        Unsatisfiable: There is one; with its pointer and that of what entails its branches.
    """
    hopeless = [(where, part) for where, part in subschemas(schema) if _is_hopeless(part)]
    if not hopeless or not _is_false_by(schema, [part for _, part in hopeless], options):
        return
    guilty = (w for w, part in hopeless[:_MOST_TRIED] if _is_false_by(schema, [part], options))
    where = next(guilty, hopeless[0][0])
    raise contradiction([f"{where}/{word}" for word in ("required", "oneOf")])


def _is_false_by(schema: Json, parts: list[dict[str, Any]], options: dict[str, Any]) -> bool:
    """Whether nothing satisfies the schema because nothing satisfies these parts of it."""
    false = set(map(id, parts))
    sharp: Any = rebuilt(schema, lambda part: {"not": {}} if id(part) in false else part)
    try:
        node = jsonschema_rs.canonicalize(sharp, **options)
    except (jsonschema_rs.ReferencingError, ValueError):
        return False
    return node.satisfiability() == Satisfiability.NO


def _is_hopeless(part: dict[str, Any]) -> bool:
    required, branches = part.get("required"), part.get("oneOf")
    if "$ref" in part or not isinstance(required, list) or not isinstance(branches, list):
        return False
    held = [b for b in branches if isinstance(b, dict) and not b.keys() - {"required"}]
    return sum(all(name in required for name in b.get("required", ())) for b in held) > 1
