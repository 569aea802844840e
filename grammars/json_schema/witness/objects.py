"""An object under facts: which members it needs, what they are called, what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from tether.grammars.json_schema.witness.arrays import MOST_CHOICES
from tether.grammars.json_schema.witness.goals import Fact, Goal

if TYPE_CHECKING:
    from tether.grammars.json_schema.witness.search import Search

_MOST_PATTERNS = 7
_STRING = Goal({"type": "string"})


@dataclass(slots=True)
class _Wanted:
    """A member that must be there.

    Attributes:
        names: What its name must be.
        values: What its value must be.
        name: Its name, where that is known.
    """

    names: list[Goal] = field(default_factory=list)
    values: list[Goal] = field(default_factory=list)
    name: str | None = None

    def with_(self, other: _Wanted) -> _Wanted:
        """One member for two."""
        names, values = [*self.names, *other.names], [*self.values, *other.values]
        return _Wanted(names, values, self.name if self.name is not None else other.name)


class Objects:
    """The objects that facts hold for."""

    def __init__(self, search: Search, facts: Sequence[Fact]) -> None:
        self._search = search
        self._facts = [fact for fact in facts if fact.holds]
        self._absent = [f.value for f in facts if f.keyword == "required" and not f.holds]
        self._low, self._high = search.counts(facts, "Properties")
        self._wanted = [*self._required(), *map(_missing, (f for f in facts if _is_missing(f)))]
        self._exact = next((f.value for f in self._facts if f.keyword == "const"), None)

    def first(self) -> dict[str, Any] | None:
        """One of them; None where there is none."""
        for groups in self._grouped(0, []):
            made = self._made(groups)
            if made is not None:
                return made
        return None

    def _required(self) -> Iterator[_Wanted]:
        names = [f.value for f in self._facts if f.keyword == "required"]
        for fact in self._facts:
            if fact.keyword == "const":
                names += fact.value
        yield from (_Wanted(name=name) for name in dict.fromkeys(names))

    def _grouped(self, at: int, groups: list[_Wanted]) -> Iterator[list[_Wanted]]:
        """The wanted members with some made one, wherever that may be."""
        if self._high is not None and len(groups) > self._high:
            return
        if at == len(self._wanted):
            yield groups
            return
        if not self._search.effort.spend():
            return
        wanted = self._wanted[at]
        names = [group.name for group in groups]
        is_there = wanted.name is not None and wanted.name in names
        for place, group in enumerate(groups):
            if wanted.name in (None, group.name) if is_there else None in (group.name, wanted.name):
                joined = group.with_(wanted)
                if self._may_be_called(joined):
                    others = [*groups[:place], joined, *groups[place + 1 :]]
                    yield from self._grouped(at + 1, others)
        if not is_there:
            yield from self._grouped(at + 1, [*groups, wanted])

    def _may_be_called(self, wanted: _Wanted) -> bool:
        known = [] if wanted.name is None else [Goal({"enum": [wanted.name]})]
        return self._search.value([_STRING, *known, *wanted.names]) is not None

    def _made(self, groups: Sequence[_Wanted]) -> dict[str, Any] | None:
        """An object of these members and, so that they are enough, others."""
        missing = max(0, self._low - len(groups))
        if self._high is not None and len(groups) + missing > self._high:
            return None
        made: dict[str, Any] = {}
        for wanted in (group for group in groups if group.name is not None):
            member = next(self._members(wanted, list(made)), None)
            if member is None:
                return None
            made[member[0]] = member[1]
        unnamed = [group for group in groups if group.name is None]
        return self._filled([*unnamed, *(_Wanted() for _ in range(missing))], made)

    def _filled(self, wanted: list[_Wanted], made: dict[str, Any]) -> dict[str, Any] | None:
        """The object with members that have no names yet; other names where they leave none."""
        if not wanted:
            return made
        for name, value in self._members(wanted[0], list(made)):
            whole = self._filled(wanted[1:], {**made, name: value})
            if whole is not None:
                return whole
        return None

    def _members(self, wanted: _Wanted, taken: list[str]) -> Iterator[tuple[str, Any]]:
        for name in self._names(wanted, taken):
            goals = [*wanted.values, *self._goals(name)]
            found = self._search.value(goals)
            if found is not None:
                yield name, found[0]

    def _names(self, wanted: _Wanted, taken: list[str]) -> Iterator[str]:
        """Names that a member may have: one for each way to match patterns or not."""
        asked = [Goal(f.value) for f in self._facts if f.keyword == "propertyNames"]
        asked += [_STRING, *wanted.names]
        asked += [Goal({"enum": [name]}, False) for name in (*taken, *self._absent)]
        if wanted.name is not None:
            found = self._search.value([*asked, Goal({"enum": [wanted.name]})])
            yield from found or ()
            return
        known, patterns = self._known() if self._exact is None else (list(self._exact), [])
        if len(patterns) > _MOST_PATTERNS:
            self._search.effort.doubt()
            patterns = patterns[:_MOST_PATTERNS]
        plain = [Goal({"enum": [name]}, False) for name in known]
        for signs in product((False, True), repeat=len(patterns)):
            goals = [Goal({"pattern": p}, s) for p, s in zip(patterns, signs, strict=True)]
            yield from self._several([*asked, *plain, *goals])
        for name in known:
            yield from self._search.value([*asked, Goal({"enum": [name]})]) or ()

    def _several(self, goals: list[Goal]) -> Iterator[str]:
        """Some names, one after the other."""
        for _ in range(MOST_CHOICES):
            found = self._search.value(goals)
            if found is None:
                return
            yield found[0]
            goals = [*goals, Goal({"enum": [found[0]]}, False)]
        self._search.effort.doubt()

    def _known(self) -> tuple[list[str], list[str]]:
        """Names and patterns that facts speak about."""
        names: dict[str, None] = {}
        patterns: dict[str, None] = {}
        for fact in self._facts:
            if fact.keyword in ("properties", "additionalProperties"):
                names.update(dict.fromkeys(fact.part.get("properties", {})))
            if fact.keyword in ("patternProperties", "additionalProperties"):
                patterns.update(dict.fromkeys(fact.part.get("patternProperties", {})))
        return list(names), list(patterns)

    def _goals(self, name: str) -> list[Goal]:
        """What the value of a name must be."""
        goals: list[Goal] = []
        for keyword, value, part, _ in self._facts:
            if keyword == "properties" and name in value:
                goals.append(Goal(value[name]))
            elif keyword == "patternProperties":
                goals += [Goal(schema) for p, schema in value.items() if finds(p, name)]
            elif keyword == "additionalProperties" and not _is_named(part, name):
                goals.append(Goal(value))
            elif keyword == "const":
                goals.append(Goal({"enum": [value[name]]}) if name in value else Goal(False))
        return goals


def finds(pattern: str, name: str) -> bool:
    """Whether a pattern finds a match in a name."""
    return jsonschema_rs.is_valid({"pattern": pattern}, name)


def _is_named(part: dict[str, Any], name: str) -> bool:
    """Whether a schema speaks about a name by itself or by a pattern."""
    return name in part.get("properties", {}) or any(
        finds(pattern, name) for pattern in part.get("patternProperties", {})
    )


_MEMBERS = ("properties", "patternProperties", "additionalProperties", "propertyNames")


def _is_missing(fact: Fact) -> bool:
    return not fact.holds and fact.keyword in _MEMBERS


def _missing(fact: Fact) -> _Wanted:
    """The member that breaks a keyword."""
    if fact.keyword == "propertyNames":
        return _Wanted([Goal(fact.value, False)])
    if fact.keyword == "properties":
        ((name, schema),) = fact.value.items()
        return _Wanted(values=[Goal(schema, False)], name=name)
    if fact.keyword == "patternProperties":
        ((pattern, schema),) = fact.value.items()
        return _Wanted([Goal({"pattern": pattern})], [Goal(schema, False)])
    names = [Goal({"enum": [name]}, False) for name in fact.part.get("properties", {})]
    names += [Goal({"pattern": p}, False) for p in fact.part.get("patternProperties", {})]
    return _Wanted(names, [Goal(fact.value, False)])
