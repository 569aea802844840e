"""The order in which a schema's text names the properties of its objects.

Canonical views sort properties; this finds the user's own order again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_MOST_NODES = 500_000


class DeclaredOrder:
    """Every list of property names of a schema, in document order."""

    def __init__(self, schema: object) -> None:
        self._whole: dict[frozenset[str], tuple[str, ...]] = {}
        self._by_first: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        self._rank: dict[str, int] = {}
        for number, names in enumerate(_name_lists(schema)):
            self._whole.setdefault(frozenset(names), names)
            self._by_first.setdefault(names[0], []).append((number, names))
            for name in names:
                self._rank.setdefault(name, len(self._rank))

    def sorted(self, names: Iterable[str]) -> list[str]:
        """`names` in declared order.

        Those of one object come as it lists them; those of several merged objects by the first
        list that names them.
        """
        wanted = frozenset(names)
        whole = self._whole.get(wanted)
        if whole:
            return list(whole)
        parts = sorted(
            entry
            for name in wanted
            for entry in self._by_first.get(name, ())
            if wanted.issuperset(entry[1])
        )
        found = dict.fromkeys(name for _, part in parts for name in part)
        rest = sorted(wanted - found.keys(), key=lambda n: (self._rank.get(n, len(self._rank)), n))
        return [*found, *rest]


def _name_lists(schema: object) -> Iterator[tuple[str, ...]]:
    """The names in every `properties` and `required` below a schema, outer ones first."""
    waiting: list[Any] = [schema]
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(reversed(part))
        elif isinstance(part, dict):
            for keyword in ("properties", "required"):
                names = part.get(keyword)
                if isinstance(names, dict | list) and names:
                    found = tuple(dict.fromkeys(n for n in names if isinstance(n, str)))
                    if found:
                        yield found
            waiting.extend(v for v in reversed(part.values()) if isinstance(v, dict | list))
