"""The order in which a schema's text names the properties of its objects.

Canonical views sort properties, and drop those that may have any value; this finds the user's own
order, and those names, again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tether.grammars.json_schema.walk import ANNOTATIONS

_MOST_NODES = 500_000


class DeclaredOrder:
    """Every list of property names of a schema, in document order."""

    def __init__(self, schema: object) -> None:
        self._whole: dict[frozenset[str], tuple[str, ...]] = {}
        self._by_first: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
        self._rank: dict[str, int] = {}
        self._by_core: dict[frozenset[str], tuple[str, ...]] = {}
        for number, (names, core) in enumerate(_name_lists(schema)):
            if core is not None:
                self._by_core.setdefault(core, names)
            self._whole.setdefault(frozenset(names), names)
            self._by_first.setdefault(names[0], []).append((number, names))
            for name in names:
                self._rank.setdefault(name, len(self._rank))

    def with_dropped(self, names: Iterable[str]) -> list[str]:
        """`names`, and those that an object with just these would have lost as saying nothing."""
        wanted = frozenset(names)
        return list(self._by_core.get(wanted, wanted))

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


def _name_lists(schema: object) -> Iterator[tuple[tuple[str, ...], frozenset[str] | None]]:
    """The names in every `properties` and `required` below a schema, outer ones first.

    Those of a `properties` come with the ones among them, and the required ones, that say more
    about an object than that it may have them.
    """
    waiting: list[Any] = [schema]
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(reversed(part))
        elif isinstance(part, dict):
            named, required = part.get("properties"), _strings(part.get("required"))
            if isinstance(named, dict) and named:
                telling = {name for name, value in named.items() if not _says_nothing(value)}
                yield tuple(dict.fromkeys((*named, *required))), frozenset(telling.union(required))
            elif required:
                yield required, None
            waiting.extend(v for v in reversed(part.values()) if isinstance(v, dict | list))


def _strings(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else ()
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def _says_nothing(schema: object) -> bool:
    return schema is True or (isinstance(schema, dict) and schema.keys() <= ANNOTATIONS)
