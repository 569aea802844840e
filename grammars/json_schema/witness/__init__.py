"""A value that a schema accepts, built part by part; or the proof that there is none.

For schemas under which no way to the end of a text is found by trying: their parts speak about one
value in many places (`allOf` of patterns, `contains` in both branches of a `oneOf`, multiples of
several numbers), and it takes all of them together to make it. The search is bounded; it follows
the witness generation of Attouche et al., PVLDB 15(13), 2022, without its normal forms: choices
are made branch by branch, and a string is a walk through the automata of its patterns.
"""

from __future__ import annotations

from typing import Any

from tether.errors import Unsatisfiable
from tether.grammars.json_schema.front.refuse import contradiction
from tether.grammars.json_schema.oracle import Oracle, draft_of
from tether.grammars.json_schema.walk import ANNOTATIONS, escape
from tether.grammars.json_schema.witness.effort import Effort
from tether.grammars.json_schema.witness.goals import Goal
from tether.grammars.json_schema.witness.search import Found, Search
from tether.types import Json

_MOST = 100_000
"""Steps of a search, two seconds or so."""
_MOST_BLAMED = 20_000
"""Steps of each search for what can be left out of a contradiction."""
_SHELVES = ANNOTATIONS | {"$defs", "definitions"}


def witness(schema: Json, oracle: Oracle) -> Found:
    """A value that `oracle` accepts, in a tuple; None where none was found.

    Raises:
        Unsatisfiable: There is none; with the pointers of parts that contradict each other.
    """
    effort = Effort(_MOST)
    found = _searched(schema, effort)
    if found is not None:
        return found if oracle.complaint_about(found[0]) is None else None
    if effort.sure:
        raise blame(schema)
    return None


def _searched(schema: Json, effort: Effort) -> Found:
    try:
        return Search(schema, draft_of(schema), effort).value([Goal(schema)])
    except (RecursionError, ValueError, TypeError, KeyError):  # no schema, or too deep a one
        effort.doubt()
        return None


def blame(schema: Json) -> Unsatisfiable:
    """The error that names as few parts of a contradictory schema as contradict each other."""
    if not isinstance(schema, dict):
        return contradiction([""])
    guilty = dict(_parts(schema))
    for pointer in list(guilty):
        fewer = {where: part for where, part in guilty.items() if where != pointer}
        effort = Effort(_MOST_BLAMED)
        if _searched({**_shelved(schema), "allOf": list(fewer.values())}, effort) is None:
            guilty = fewer if effort.sure else guilty
    return contradiction(list(guilty) or [""])


def _parts(schema: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a schema asks for at its root, by pointers."""
    parts: list[tuple[str, Any]] = []
    for keyword, value in schema.items():
        if keyword == "allOf":
            parts += [(f"/allOf/{i}", each) for i, each in enumerate(value)]
        elif keyword not in _SHELVES:
            parts.append((f"/{escape(keyword)}", {keyword: value}))
    return parts


def _shelved(schema: dict[str, Any]) -> dict[str, Any]:
    """What asks for nothing, but may be referred to."""
    return {keyword: value for keyword, value in schema.items() if keyword in _SHELVES}
