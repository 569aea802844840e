"""Object views -> members and extras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jsonschema_rs.canonical import ConstView, EnumView, ObjectView

from tether.grammars.json_schema.front.extras import Extras, joined
from tether.grammars.json_schema.front.members import Member, Members, write_object

if TYPE_CHECKING:
    from tether.grammars.json_schema.front.compiler import Compiler, Part

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
        extras = [] if closed else Extras(self._compiler, self._part, view, names).members()
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
            fitting = [s for p, s in self._patterns.items() if self._compiler.finds(p, name)]
            node = joined(self._grammar, fitting) if fitting else self._additional
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
