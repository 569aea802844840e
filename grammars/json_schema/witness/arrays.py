"""An array under facts: which items it needs, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tether.grammars.json_schema.witness.goals import Fact, Goal

if TYPE_CHECKING:
    from tether.grammars.json_schema.witness.search import Search

MOST_CHOICES = 8
"""Values that one item or name is tried with where the others depend on it."""
_ITEMS = ("items", "prefixItems", "additionalItems")
_Wanted = tuple[Goal, range | None]
"""An item that must be there, and where it may stand; None for anywhere."""


class Arrays:
    """The arrays that facts hold for."""

    def __init__(self, search: Search, facts: Sequence[Fact]) -> None:
        self._search = search
        self._facts = [fact for fact in facts if fact.holds]
        self._distinct = any(f.keyword == "uniqueItems" and f.value for f in self._facts)
        self._twice = any(f.keyword == "uniqueItems" and not f.holds for f in facts)
        self._low, self._high = search.counts(facts, "Items")
        exact = [f.value for f in self._facts if f.keyword == "const"]
        if exact:
            self._low = max(self._low, len(exact[0]))
            self._high = min([len(exact[0]), *([] if self._high is None else [self._high])])
        self._wanted = [*self._counted(), *(_broken(f) for f in facts if _is_broken(f))]

    def first(self) -> list[Any] | None:
        """One of them; None where there is none."""
        for length in self._lengths():
            for places in self._placed(0, {}, length):
                made = self._made(places, length)
                if made is not None:
                    return made
        return None

    def _counted(self) -> Iterator[_Wanted]:
        for fact in self._facts:
            if fact.keyword == "least":
                yield from [(Goal(fact.value[1]), None)] * fact.value[0]

    def _lengths(self) -> Iterator[int]:
        """Likely lengths first. Of longer arrays some items could be left out."""
        if self._high is not None and self._high < self._low:
            return
        wanted = len(self._wanted) + 2 * self._twice
        begun = max((len(f.value) for f in self._facts if isinstance(f.value, list)), default=0)
        enough = max([self._low, wanted, *(w.start + 1 for _, w in self._wanted if w)])
        most = max(enough, begun) + wanted
        if self._high is not None:
            enough, most = min(enough, self._high), min(most, self._high)
        yield from range(enough, most + 1)
        yield from range(enough - 1, self._low - 1, -1)

    def _placed(
        self, at: int, places: dict[int, list[Goal]], length: int
    ) -> Iterator[dict[int, list[Goal]]]:
        """Wanted items at places, first each at one of its own."""
        if at == len(self._wanted):
            yield places
            return
        if not self._search.effort.spend():
            return
        goal, where = self._wanted[at]
        open_ = [place for place in range(length) if where is None or place in where]
        for place in sorted(open_, key=lambda place: len(places.get(place, ()))):
            yield from self._placed(
                at + 1, {**places, place: [*places.get(place, ()), goal]}, length
            )

    def _made(self, places: dict[int, list[Goal]], length: int) -> list[Any] | None:
        """An array of a length with wanted items at places."""
        if self._distinct or self._twice:
            return None if self._twice and length < 2 else self._chosen(places, length, [])
        made: list[Any] = []
        for place in range(length):
            found = self._search.value(self._asked(places, place))
            if found is None:
                return None
            made.append(found[0])
        return made

    def _chosen(
        self, places: dict[int, list[Goal]], length: int, made: list[Any]
    ) -> list[Any] | None:
        """The same with other items before where they leave none to choose."""
        place = len(made)
        if place == length:
            return made
        goals = self._asked(places, place)
        if self._distinct:
            goals += [Goal({"enum": [item]}, False) for item in made]
        if self._twice and made and place == length - 1:
            goals.append(Goal({"enum": [made[-1]]}))
        for _ in range(MOST_CHOICES):
            found = self._search.value(goals)
            if found is None:
                return None
            whole = self._chosen(places, length, [*made, found[0]])
            if whole is not None:
                return whole
            goals = [*goals, Goal({"enum": [found[0]]}, False)]
        self._search.effort.doubt()
        return None

    def _asked(self, places: dict[int, list[Goal]], place: int) -> list[Goal]:
        """What the item at a place must be."""
        return [*places.get(place, ()), *self._goals(place), *self._few(places, place)]

    def _goals(self, place: int) -> list[Goal]:
        """What any item at a place must be."""
        goals: list[Goal] = []
        for keyword, value, part, _ in self._facts:
            if keyword == "const":
                goals.append(Goal({"enum": [value[place]]}))
            elif keyword in _ITEMS and isinstance(value, list):
                goals += [Goal(value[place])] if place < len(value) else []
            elif keyword in _ITEMS and place >= prefix(part, keyword):
                goals.append(Goal(value))
        return goals

    def _few(self, places: dict[int, list[Goal]], place: int) -> list[Goal]:
        """What an item must not be, so that there are not too many of its kind."""
        goals: list[Goal] = []
        for keyword, value, _, _ in self._facts:
            if keyword == "most":
                most, schema = value
                there = [p for p, wanted in places.items() if Goal(schema) in wanted]
                if place not in there[:most]:
                    goals.append(Goal(schema, False))
                if most > len(there):
                    self._search.effort.doubt()
        return goals


def prefix(part: dict[str, Any], keyword: str) -> int:
    """From which place on `items` or `additionalItems` count."""
    if keyword == "additionalItems":
        items = part.get("items")
        return len(items) if isinstance(items, list) else 1 << 30
    return len(part.get("prefixItems", ()))


def _is_broken(fact: Fact) -> bool:
    return not fact.holds and fact.keyword in _ITEMS


def _broken(fact: Fact) -> _Wanted:
    """The item that breaks a keyword."""
    if isinstance(fact.value, list):
        place = len(fact.value) - 1
        return Goal(fact.value[place], False), range(place, place + 1)
    return Goal(fact.value, False), range(prefix(fact.part, fact.keyword), 1 << 30)
