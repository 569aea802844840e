"""Object views -> members and extras."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from jsonschema_rs import CanonicalSchema
from jsonschema_rs.canonical import (
    CanonicalizationError,
    ConstView,
    EnumView,
    ObjectView,
    StringView,
)

from tether.grammars.json_schema.front.grammar import literal_text
from tether.grammars.json_schema.front.members import Member, Members, write_object
from tether.grammars.json_schema.front.patterns import disjoint, pattern_language
from tether.grammars.json_schema.front.strings import string_body

if TYPE_CHECKING:
    from tether.grammars.json_schema.front.compiler import Compiler, Part

_MOST_OVERLAPS = 3
_MOST_KNOWN = 5000


def write_object_view(compiler: Compiler, name: str, view: ObjectView, part: Part) -> None:
    """Define the rule `name` as the objects of a view."""
    if len(view.properties) + len(view.required) > _MOST_KNOWN:
        compiler.grammar.loosen()
        compiler.grammar.rule(name, compiler.grammar.any_object())
    else:
        _Object(compiler, name, view, part).write()


class _Object:
    """One object view on its way into the grammar."""

    def __init__(self, compiler: Compiler, name: str, view: ObjectView, part: Part) -> None:
        self._compiler = compiler
        self._grammar = compiler.grammar
        self._name = name
        self._view = view
        self._part = part
        self._properties = view.properties
        self._patterns = view.pattern_properties
        self._additional = view.additional_properties
        self._names = view.property_names

    def write(self) -> None:
        view, style = self._view, self._grammar.style
        if view.violations:
            self._grammar.loosen()
        listed = self._listed_names()
        names = self._known_names(listed)
        known = list(self._known(names))
        closed = listed is not None or self._is_closed(known)
        extras = [] if closed else list(self._extras(names))
        self._grammar.extras |= bool(extras)
        members = Members(
            known,
            extras,
            view.min_properties or 0,
            view.max_properties,
            ordered=not style.judging and style.order == "declared",
            extras_wait=not style.judging,
        )
        write_object(self._grammar, self._name, members)

    def _listed_names(self) -> list[str] | None:
        """The only names there may be, where the schema lists them."""
        names = self._names.view() if self._names is not None else None
        if isinstance(names, ConstView):
            return [str(names.value)]
        return list(map(str, names.values)) if isinstance(names, EnumView) else None

    def _known_names(self, listed: list[str] | None) -> list[str]:
        """The names that the schema knows, in declared order where that counts."""
        required = self._view.required
        names: list[str] = list(dict.fromkeys((*self._properties, *required, *(listed or ()))))
        if listed is not None:
            allowed = set(listed)
            names = [name for name in names if name in allowed]
        if not self._grammar.style.judging:
            names = self._compiler.order.sorted(self._compiler.order.with_dropped(names))
        return names

    def _known(self, names: list[str]) -> Iterator[Member]:
        """The members of these names that have a value."""
        needed = set(self._view.required)
        for name in names:
            value = self._value_of(name)
            if value is not None:
                yield Member(self._grammar.key(name), value, name in needed)

    def _value_of(self, name: str) -> str | None:
        node = self._properties.get(name)
        if node is None:
            fitting = [p for p in self._patterns if self._compiler.finds(p, name)]
            node = self._joined(fitting) if fitting else self._additional
        if node is None:
            return self._grammar.any_value()
        return self._compiler.value(node, self._part.below(name))

    def _is_closed(self, known: list[Member]) -> bool:
        """Whether generating leaves out the names that the schema allows but does not name."""
        bounds = self._grammar.style.bounds
        if bounds is None or bounds.extras or not self._part.free:
            return False
        named = self._patterns or self._additional is not None or self._names is not None
        enough = known and len(known) >= (self._view.min_properties or 0)
        return bool(enough and not named and not self._view.violations)

    def _extras(self, names: list[str]) -> Iterator[str]:
        """Key and value of every kind of member that is not named."""
        taken = dict.fromkeys((*self._properties, *self._view.required, *names))
        shape = self._key_shape()
        if taken:
            shape += f" & ~({' | '.join(map(literal_text, taken))})"
        bodies = self._pattern_bodies()
        for body, node in self._by_patterns(bodies):
            yield from self._extra(f"{shape} & {body}", node)
        regular = [body for body in bodies.values() if body]
        rest = self._additional if len(regular) == len(bodies) else None
        yield from self._extra(" & ~".join([shape, *regular]), rest)

    def _extra(self, key: str, node: CanonicalSchema | None) -> Iterator[str]:
        value = self._grammar.any_value()
        if node is not None:
            value = self._compiler.value(node, self._part.below("extra")) or ""
        if value:
            yield f"{self._grammar.terminal(key, 'X')} COLON {value}"

    def _key_shape(self) -> str:
        """The terminal body of what a name must look like."""
        names = self._names.view() if self._names is not None else None
        if isinstance(names, StringView):
            return f"({string_body(self._grammar, names, free=False)})"
        if names is not None:
            self._grammar.loosen()
        return "NAME" if self._patterns else "STR"

    def _pattern_bodies(self) -> dict[str, str | None]:
        """The terminal body of the names in which each pattern is found; None where irregular."""
        bodies: dict[str, str | None] = {}
        for pattern in self._patterns:
            language = pattern_language(pattern)
            bodies[pattern] = f'/"{language.body}"/' if language else None
        if None in bodies.values():
            self._grammar.loosen()
        return bodies

    def _by_patterns(self, bodies: dict[str, str | None]) -> Iterator[tuple[str, CanonicalSchema]]:
        """Names by which patterns they match, and what their values must be."""
        regular = {p: body for p, body in bodies.items() if body}
        overlapping = [p for p in regular if not self._stands_alone(p, regular)]
        if len(overlapping) > _MOST_OVERLAPS:
            self._grammar.loosen()
        for pattern, body in regular.items():
            if pattern not in overlapping or len(overlapping) > _MOST_OVERLAPS:
                yield body, self._patterns[pattern]
        if len(overlapping) <= _MOST_OVERLAPS:
            yield from self._shared(overlapping, regular)

    def _shared(
        self, patterns: list[str], bodies: dict[str, str]
    ) -> Iterator[tuple[str, CanonicalSchema]]:
        for size in range(1, len(patterns) + 1):
            for chosen in combinations(patterns, size):
                parts = [bodies[p] if p in chosen else f"~{bodies[p]}" for p in patterns]
                node = self._joined(list(chosen))
                if node is not None:
                    yield " & ".join(parts), node

    def _stands_alone(self, pattern: str, regular: dict[str, str]) -> bool:
        """Whether no name matches this and another pattern."""
        if len(regular) > 50:
            return False
        own = pattern_language(pattern)
        others = (pattern_language(p) for p in regular if p != pattern)
        return own is not None and all(o is not None and disjoint(own, o) for o in others)

    def _joined(self, patterns: list[str]) -> CanonicalSchema | None:
        """What values must be that several patterns speak about."""
        node = self._patterns[patterns[0]]
        for pattern in patterns[1:]:
            try:
                node = node.intersect(self._patterns[pattern])
            except CanonicalizationError:
                self._grammar.loosen()
        return node
