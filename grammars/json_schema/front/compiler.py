"""Canonical views -> rules of a grammar.

Every container gets a rule of its own, made when its turn in a queue comes: no depth of nesting
costs Python's stack, and equal parts share one rule.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jsonschema_rs
from jsonschema_rs import CanonicalSchema
from jsonschema_rs.canonical import (
    AllOfView,
    AnyOfView,
    ArrayView,
    CanonicalKind,
    ConstView,
    EnumView,
    FalseView,
    IntegerView,
    MultiTypeView,
    NumberView,
    ObjectView,
    OneOfView,
    RawView,
    ReferenceView,
    StringView,
    TrueView,
    TypedGroupView,
)

from tether.grammars.json_schema.front.arrays import write_array
from tether.grammars.json_schema.front.constants import write_constant
from tether.grammars.json_schema.front.grammar import Grammar
from tether.grammars.json_schema.front.intersections import cases, resolved
from tether.grammars.json_schema.front.literals import literal
from tether.grammars.json_schema.front.numerals import number_value
from tether.grammars.json_schema.front.objects import write_object_view
from tether.grammars.json_schema.front.order import DeclaredOrder
from tether.grammars.json_schema.front.strings import string_value
from tether.grammars.json_schema.front.tokens import Style
from tether.grammars.json_schema.front.weaker import weaker
from tether.grammars.json_schema.size import num_values
from tether.types import Json

_TYPES = {
    "string": "STR",
    "integer": "INT",
    "number": "NUM",
    "boolean": "BOOL",
    "null": '"null"',
}
_MOST_VALUES = 50_000
_MOST_NESTED = 500
"""Arrays and objects in one enum."""
_MOST_INSIDE = 5_000
"""Values in the arrays and objects of one enum."""
_MOST_BRANCHES = 2_000
_MOST_JOINED = 80
"""Parts that the canonical form left open and that are worked on again."""
_TIGHTEST = (
    CanonicalKind.CONST,
    CanonicalKind.ENUM,
    CanonicalKind.STRING,
    CanonicalKind.INTEGER,
    CanonicalKind.NUMBER,
    CanonicalKind.ARRAY,
    CanonicalKind.OBJECT,
    CanonicalKind.REFERENCE,
    CanonicalKind.ANY_OF,
    CanonicalKind.ONE_OF,
    CanonicalKind.TYPED_GROUP,
    CanonicalKind.ALL_OF,
    CanonicalKind.MULTI_TYPE,
)
"""Kinds of the parts of an intersection, the one to keep first."""


@dataclass(frozen=True, slots=True)
class Part:
    """Where a value stands.

    Attributes:
        hint: A word for the names of its rules.
        free: Whether its sub-schema alone decides about it, so that bounds may tighten it.
    """

    hint: str
    free: bool = True

    def below(self, hint: str) -> Part:
        """A value inside this one."""
        return Part(hint, self.free)

    def shut(self) -> Part:
        """The same value where other parts decide, too."""
        return Part(self.hint, free=False)


class Compiler:
    """Turns the parts of one canonical schema into rules."""

    def __init__(self, schema: Json, style: Style, formats: bool = True) -> None:
        self.formats = formats
        self._num_joined = 0
        self.grammar = Grammar(style)
        self._schema = schema
        self._order: DeclaredOrder | None = None
        self._made: dict[tuple[CanonicalSchema, bool], str | None] = {}
        self._waiting: deque[tuple[str, Callable[[str], None]]] = deque()

    @property
    def order(self) -> DeclaredOrder:
        """The order of properties in the user's own text."""
        if self._order is None:
            self._order = DeclaredOrder(self._schema)
        return self._order

    def text(self, root: CanonicalSchema) -> str | None:
        """The grammar of a whole schema; None where no value satisfies it."""
        start = self.value(root, Part("root", free=not self.grammar.style.judging))
        while self._waiting:
            name, write = self._waiting.popleft()
            if self.grammar.full:
                self.grammar.loosen()
                self.grammar.rule(name, self.grammar.any_value())
            else:
                write(name)
        return self.grammar.text(start) if start else None

    def finds(self, pattern: str, name: str) -> bool:
        """Whether a pattern finds a match in a name."""
        return _finds(pattern, name)

    def value(self, node: CanonicalSchema, part: Part) -> str | None:
        """The expression of a value; None where there is none."""
        key = (node, part.free)
        if key not in self._made:
            self._made[key] = self._value(node, part)
        return self._made[key]

    def later(self, part: Part, write: Callable[[str], None]) -> str:
        """The name of a rule that is written when its turn comes."""
        if self.grammar.full:
            self.grammar.loosen()
            return self.grammar.any_value()
        name = self.grammar.name(part.hint)
        self._waiting.append((name, write))
        return name

    def _value(self, node: CanonicalSchema, part: Part) -> str | None:
        view = node.view()
        match view:
            case TrueView():
                return self.grammar.any_value()
            case FalseView():
                return None
            case MultiTypeView():
                return self._types(view.types)
            case ConstView():
                return self._listed([view.value], part)
            case EnumView():
                return self._listed(view.values, part)
            case StringView():
                return string_value(self.grammar, view, part.free)
            case IntegerView() | NumberView():
                return number_value(self.grammar, view)
            case ObjectView():
                return self.later(part, lambda name: write_object_view(self, name, view, part))
            case ArrayView():
                return self.later(part, lambda name: write_array(self, name, view, part))
            case ReferenceView():
                return self._reference(node, part)
        return self._composed(view, node, part)

    def _composed(self, view: Any, node: CanonicalSchema, part: Part) -> str | None:  # noqa: ANN401
        match view:
            case AnyOfView():
                return self.later(part, lambda name: self._union(name, view.branches, part))
            case OneOfView():
                self.grammar.loosen()
                shut = part.shut()
                return self.later(part, lambda name: self._union(name, view.branches, shut))
            case AllOfView():
                return self.later(part, lambda name: self._joined(name, view, node, part))
            case TypedGroupView():
                return self._typed(view, part)
            case RawView():
                return self._weakened(view, node, part)
        self.grammar.loosen()
        return self.grammar.any_value()

    def _types(self, types: list[str]) -> str:
        found = [self._type(name) for name in types]
        if len(types) == 6 and "number" in types:
            return self.grammar.any_value()
        return found[0] if len(found) == 1 else f"({' | '.join(found)})"

    def _type(self, name: str) -> str:
        if name == "array":
            return self.grammar.any_array()
        return self.grammar.any_object() if name == "object" else _TYPES[name]

    def _listed(self, values: Sequence[object], part: Part) -> str:
        nested = [value for value in values if isinstance(value, dict | list)]
        crowded = len(nested) > _MOST_NESTED or sum(map(num_values, nested)) > _MOST_INSIDE
        if crowded or len(values) > _MOST_VALUES:
            self.grammar.loosen()
            return self._types(list(dict.fromkeys(map(_type_of, values))))
        judging = self.grammar.style.judging
        scalars = [literal(v, judging) for v in values if not isinstance(v, dict | list)]
        found = [self.grammar.terminal(" | ".join(scalars), "V")] if scalars else []
        found += [self.later(part, self._constant(value)) for value in nested]
        return found[0] if len(found) == 1 else f"({' | '.join(found)})"

    def _constant(self, value: object) -> Callable[[str], None]:
        return lambda name: write_constant(self, name, value)

    def _reference(self, node: CanonicalSchema, part: Part) -> str | None:
        """The value that a chain of references ends at."""
        uri = node.view().uri  # type: ignore[union-attr]
        target = resolved(node)
        if target is None:
            self.grammar.loosen()
            return self.grammar.any_value()
        return self.value(target, Part(uri.rpartition("/")[2] or part.hint, part.free))

    def _union(self, name: str, branches: list[CanonicalSchema], part: Part) -> None:
        if len(branches) > _MOST_BRANCHES:
            self.grammar.loosen()
            self.grammar.rule(name, self.grammar.any_value())
            return
        values = (self.value(branch, part) for branch in branches)
        found = dict.fromkeys(value for value in values if value is not None)
        self.grammar.rule(name, *(found or [self.grammar.any_value()]))

    def _joined(self, name: str, view: AllOfView, node: CanonicalSchema, part: Part) -> None:
        """An intersection, as the union it amounts to, else as its narrowest part."""
        self._num_joined += 1
        found = cases(node) if self._num_joined <= _MOST_JOINED else None
        if found is None:
            self.grammar.loosen()
            known = [b for b in view.branches if b.kind in _TIGHTEST]
            best = min(known, key=lambda b: _TIGHTEST.index(b.kind), default=None)
            self._union(name, [best] if best else [], part.shut())
            return
        nodes, exact = found
        if not exact:
            self.grammar.loosen()
        self._union(name, nodes, part if exact else part.shut())

    def _typed(self, view: TypedGroupView, part: Part) -> str | None:
        """A type and something else; for whole numbers of draft 4, where 1.0 is none."""
        body = view.body.view()
        if view.type_name == "integer" and isinstance(body, ConstView | EnumView):
            values = body.values if isinstance(body, EnumView) else [body.value]
            return self.grammar.terminal(" | ".join(literal(v, judging=False) for v in values), "V")
        self.grammar.loosen()
        if view.body.kind in _TIGHTEST:
            return self.value(view.body, part.shut())
        return self._types([view.type_name])

    def _weakened(self, view: RawView, node: CanonicalSchema, part: Part) -> str:
        """What the canonical form can make of a weaker schema."""
        self.grammar.loosen()
        self._num_joined += 1
        for schema in weaker(view.schema) if self._num_joined <= _MOST_JOINED else []:
            try:
                again = jsonschema_rs.canonicalize(
                    schema, draft=node.draft, validate_formats=self.formats, offline=True
                )
            except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
                continue
            if again.kind not in (CanonicalKind.RAW, CanonicalKind.TRUE, CanonicalKind.FALSE):
                return self.value(again, part.shut()) or self.grammar.any_value()
        return self.grammar.any_value()


def _type_of(value: object) -> str:
    names: Iterator[str] = (
        name
        for kind, name in (
            (bool, "boolean"),
            (str, "string"),
            (int, "number"),
            (float, "number"),
            (dict, "object"),
            (list, "array"),
        )
        if isinstance(value, kind)
    )
    return next(names, "null" if value is None else "number")


@lru_cache(maxsize=4096)
def _finds(pattern: str, name: str) -> bool:
    return jsonschema_rs.is_valid({"pattern": pattern}, name)
