"""A failing case made small: parts are taken out for as long as it still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def shrunk(schema: Any, value: Any, fails: Callable[[Any, Any], bool]) -> tuple[Any, Any]:
    """The smallest schema and value on this way for which `fails` still holds."""
    while True:
        smaller = next((s for s in _smaller(schema) if fails(s, value)), None)
        if smaller is not None:
            schema = smaller
            continue
        shorter = next((v for v in _smaller(value) if fails(schema, v)), None)
        if shorter is None:
            return schema, value
        value = shorter


def _smaller(part: Any) -> Iterator[Any]:
    """`part` with one thing less: an entry left out, or one put in place of the whole."""
    if isinstance(part, list):
        for index, entry in enumerate(part):
            rest = part[:index], part[index + 1 :]
            yield [*rest[0], *rest[1]]
            yield from ([*rest[0], less, *rest[1]] for less in _smaller(entry))
    elif isinstance(part, dict):
        kept = {key: part[key] for key in ("$schema",) if key in part}
        for key in part.keys() - kept.keys():
            yield {other: entry for other, entry in part.items() if other != key}
        for key, entry in part.items():
            if isinstance(entry, dict):
                yield {**kept, **entry}
            yield from ({**part, key: less} for less in _smaller(entry))
