"""What schemas ask of a value of one type, with their choices made: a tableau, branch by branch.

A goal is a schema that must hold, or must not. Whatever speaks of several schemas becomes goals
about those; what is left of a branch are facts about the value itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from tether.grammars.json_schema.walk import ABOUT, ANNOTATIONS, referred
from tether.grammars.json_schema.witness.effort import Effort
from tether.types import Json

Kind = Literal["null", "boolean", "number", "string", "array", "object"]
KINDS: tuple[Kind, ...] = ("null", "boolean", "number", "string", "array", "object")
_SILENT = ANNOTATIONS | {"$defs", "definitions", "then", "else", "minContains", "maxContains"}
_SINCE = {
    "const": 6,
    "contains": 6,
    "propertyNames": 6,
    "if": 7,
    "dependentRequired": 19,
    "dependentSchemas": 19,
    "prefixItems": 20,
}
_UNTIL = {"additionalItems": 19}
"""The first or last draft that knows a keyword; in others the oracle may read it or not."""
_BASES = ("$id", "id", "$schema")
"""What makes a part a document of its own, with references and a draft of its own."""
_LONE = 7
"""The last draft in which nothing beside a `$ref` counts."""
_UNREAD = frozenset(
    (
        "unevaluatedItems",
        "unevaluatedProperties",
        "$dynamicRef",
        "$recursiveRef",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
    )
)
"""Keywords that are left to the oracle."""


Value = Any
"""Of a keyword: whatever JSON holds."""


class Goal(NamedTuple):
    """A schema that a value must satisfy, or must not."""

    schema: Any
    holds: bool = True


class Fact(NamedTuple):
    """A keyword about one type that must hold, or must not.

    Attributes:
        keyword: As in a schema; `contains` is `least` and `most`, a count and what is counted.
        value: Of the keyword.
        part: The schema that it stands in.
        holds: Whether it must hold.
    """

    keyword: str
    value: Any
    part: dict[str, Any]
    holds: bool = True


Asked = Goal | Fact
Ways = list[list[Asked]]
"""Any of these lists does, all of what is in one must be met."""
_ALWAYS: Ways = [[]]
_NEVER: Ways = []


class Tableau:
    """The branches of goals under one root.

    Args:
        root: The schema that references lead into.
        draft: As jsonschema-rs numbers it.
        effort: What is spent on each choice.
    """

    def __init__(self, root: Json, draft: int, effort: Effort) -> None:
        self._root, self._draft, self._effort = root, draft, effort

    def branches(self, goals: Sequence[Goal], kind: Kind) -> Iterator[list[Fact]]:
        """The facts of each branch for values of a kind."""
        waiting: list[tuple[list[Asked], list[Fact]]] = [(list(goals), [])]
        while waiting and self._effort.spend():
            todo, facts = waiting.pop()
            ways = _ALWAYS
            while todo and len(ways) == 1 and self._effort.spend():
                asked = todo.pop()
                if isinstance(asked, Fact):
                    facts.append(asked)
                    continue
                ways = self._ways(asked, kind)
                if len(ways) == 1:
                    todo += ways[0]
            if len(ways) == 1:
                yield facts
            else:
                waiting += [([*todo, *way], list(facts)) for way in reversed(ways)]

    def _ways(self, goal: Goal, kind: Kind) -> Ways:
        schema, holds = goal
        if isinstance(schema, bool):
            return _ALWAYS if schema == holds else _NEVER
        if schema is not self._root and any(word in schema for word in _BASES):
            self._effort.doubt()
        if self._draft <= _LONE and "$ref" in schema:
            schema = {"$ref": schema["$ref"]}
        each = [self._keyword(k, v, schema, holds, kind) for k, v in schema.items()]
        if not holds:
            return [way for ways in each for way in ways]
        if any(not ways for ways in each):
            return _NEVER
        sure: list[Asked] = [asked for ways in each if len(ways) == 1 for asked in ways[0]]
        open_ = [ways for ways in each if len(ways) > 1]
        if not open_:
            return [sure]
        first, *others = sorted(open_, key=len)
        later: list[Asked] = [Goal(_Any(ways)) for ways in others]
        return [[*sure, *later, *way] for way in first]

    def _keyword(
        self, word: str, value: Value, part: dict[str, Value], holds: bool, kind: Kind
    ) -> Ways:
        """What one keyword asks for."""
        if word == _Any.word:
            return value  # type: ignore[no-any-return]
        if word in _SILENT:
            return _ALWAYS if holds else _NEVER
        if self._is_unread(word) or (word == "format" and not holds):
            self._effort.doubt()
            return _ALWAYS
        if word in ("type", "const", "enum"):
            return _listed(word, value, holds, kind)
        made = self._composed(word, value, part, holds, kind)
        if made is not None:
            return made
        about = next((name for name, words in ABOUT.items() if word in words), None)
        if about is None:
            return _ALWAYS if holds else _NEVER
        if about != kind:
            return _ALWAYS if holds else _NEVER
        if word == "required":
            names = value if isinstance(value, list) else []
            facts: list[Asked] = [Fact("required", name, part, holds) for name in names]
            return [facts] if holds else [[fact] for fact in facts]
        if word == "contains":
            return _counted(value, part, holds)
        if not holds and word in ("properties", "patternProperties"):
            return [[Fact(word, {name: each}, part, False)] for name, each in value.items()]
        if not holds and isinstance(value, list) and word in ("items", "prefixItems"):
            items = enumerate(value)
            return [[Fact(word, [True] * i + [each], part, False)] for i, each in items]
        return [[Fact(word, value, part, holds)]]

    def _is_unread(self, word: str) -> bool:
        """Whether a keyword is left to the oracle."""
        first, last = _SINCE.get(word, 0), _UNTIL.get(word, self._draft)
        return word in _UNREAD or not first <= self._draft <= last

    def _composed(
        self, word: str, value: Value, part: dict[str, Value], holds: bool, kind: Kind
    ) -> Ways | None:
        """What a keyword that speaks about other schemas asks for; None for others."""
        match word:
            case "$ref":
                target = referred(self._root, {"$ref": value})
                if target is None:
                    self._effort.doubt()
                    return _ALWAYS
                return [[Goal(target, holds)]]
            case "not":
                return [[Goal(value, not holds)]]
            case "allOf" | "anyOf":
                goals = [Goal(each, holds) for each in value]
                return [[*goals]] if (word == "allOf") == holds else [[goal] for goal in goals]
            case "oneOf":
                return _one_of(value, holds)
            case "if":
                met, unmet = part.get("then", True), part.get("else", True)
                return [[Goal(value), Goal(met, holds)], [Goal(value, False), Goal(unmet, holds)]]
            case "dependencies" | "dependentRequired" | "dependentSchemas":
                if kind != "object":
                    return _ALWAYS if holds else _NEVER
                rules = [Goal(_rule(name, then), holds) for name, then in value.items()]
                return [[*rules]] if holds else [[rule] for rule in rules]
        return None


class _Any(dict[str, Ways]):
    """A schema of its own: one of several ways."""

    word = "\x00ways"

    def __init__(self, ways: Ways) -> None:
        super().__init__({self.word: ways})


def kind_of(value: object) -> Kind:
    """The kind of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "number"


def _listed(word: str, value: Value, holds: bool, kind: Kind) -> Ways:
    """What `type`, `const` and `enum` ask of a kind."""
    if word == "type":
        return _typed(value if isinstance(value, list) else [value], holds, kind)
    listed = [value] if word == "const" else value
    values = [each for each in listed if kind_of(each) == kind]
    if holds:
        return [[Fact("const", each, {})] for each in values]
    if kind not in ("array", "object"):
        return [[Fact("const", each, {}, False) for each in values]]
    if len(values) == 1:
        return list(_unlike(values[0]))
    return [[Goal({"enum": [each]}, False) for each in values]]


def _unlike(value: Value) -> Iterator[list[Asked]]:
    """The ways not to be an array or an object: to be longer or shorter, or to differ inside."""
    if isinstance(value, list):
        yield [Fact("minItems", len(value) + 1, {})]
        yield [Fact("maxItems", len(value) - 1, {})]
        for place, item in enumerate(value):
            yield [Fact("prefixItems", [*[True] * place, {"enum": [item]}], {}, False)]
        return
    yield [Fact("additionalProperties", False, {"properties": value}, False)]
    for name, member in value.items():
        yield [Fact("required", name, {}, False)]
        yield [Fact("properties", {name: {"enum": [member]}}, {}, False)]


def _typed(types: Iterable[str], holds: bool, kind: Kind) -> Ways:
    if kind in types:
        return _ALWAYS if holds else _NEVER
    if kind == "number" and "integer" in types:
        return [[Fact("integer", True, {}, holds)]]
    return _NEVER if holds else _ALWAYS


def _one_of(branches: Sequence[Any], holds: bool) -> Ways:
    places = range(len(branches))
    ways: Ways = []
    if holds:
        for chosen in places:
            ways.append([Goal(branches[i], i == chosen) for i in places])
    else:
        ways.append([Goal(branch, False) for branch in branches])
        ways += [[Goal(branches[i]), Goal(branches[j])] for i in places for j in range(i)]
    return ways


def _rule(name: str, then: Value) -> dict[str, Any]:
    """The schema of an object that has no such name, or satisfies `then` as well."""
    wanted = {"required": then} if isinstance(then, list) else then
    return {"anyOf": [{"not": {"required": [name]}}, wanted]}


def _counted(value: Value, part: dict[str, Value], holds: bool) -> Ways:
    """`contains` with its bounds, as counts."""
    low, high = part.get("minContains", 1), part.get("maxContains")
    if holds:
        facts: list[Asked] = [Fact("least", (low, value), part)]
        return [facts if high is None else [*facts, Fact("most", (high, value), part)]]
    fewer: Ways = [[Fact("most", (low - 1, value), part)]] if low else []
    return fewer if high is None else [*fewer, [Fact("least", (high + 1, value), part)]]
