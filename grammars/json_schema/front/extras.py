"""The members of an object that its schema does not name, by what their names look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from jsonschema_rs import CanonicalSchema
from jsonschema_rs.canonical import CanonicalizationError, ObjectView, StringView

from tether.grammars.json_schema.front.grammar import Grammar, literal_text
from tether.grammars.json_schema.front.patterns import Language, disjoint, pattern_language
from tether.grammars.json_schema.front.strings import string_body

if TYPE_CHECKING:
    from tether.grammars.json_schema.front.compiler import Compiler, Part

_MOST_OVERLAPS = 3
_MOST_COMPARED = 50
_MOST_MATCHED = 1000


class Extras:
    """The unnamed members of one object view.

    Args:
        compiler: For the values.
        part: Where in the schema the object is.
        view: The object.
        names: Names that have members of their own, besides the view's.
    """

    def __init__(
        self, compiler: Compiler, part: Part, view: ObjectView, names: Iterable[str]
    ) -> None:
        self._compiler, self._grammar, self._part = compiler, compiler.grammar, part
        self._patterns = view.pattern_properties
        self._additional = view.additional_properties
        self._taken = tuple(dict.fromkeys((*view.properties, *view.required, *names)))
        languages = {pattern: pattern_language(pattern) for pattern in self._patterns}
        self._languages = {p: found for p, found in languages.items() if found}
        self._is_regular = len(self._languages) == len(languages)
        if not self._is_regular:
            self._grammar.loosen()
        self._shape = self._shape_of(view.property_names)

    def members(self) -> list[str]:
        """Key and value of every kind of member, as expressions of the grammar."""
        kinds = list(self._kinds())
        values = [self._value(node) for _, node in kinds]
        made = [
            f"{self._terminal(key)} COLON {value}"
            for (key, _), value in zip(kinds, values, strict=True)
            if value
        ]
        if len(made) > 1 and all(values) and self._is_free:
            # All kinds together are any name. That name as one more terminal, which leads nowhere,
            # changes no mask; but the engine has ready masks for it, and none for the kinds.
            made.append(f"{self._terminal(self._key((), ()))} {self._grammar.never()}")
        return made

    def _shape_of(self, names: CanonicalSchema | None) -> str:
        """The terminal body of what a name must look like."""
        view = names.view() if names is not None else None
        if isinstance(view, StringView):
            return f"({string_body(self._grammar, view, free=False)})"
        if view is not None:
            self._grammar.loosen()
        return "NAME" if self._patterns else "STR"

    @property
    def _is_free(self) -> bool:
        return self._shape in ("NAME", "STR")

    def _kinds(self) -> Iterator[tuple[str, CanonicalSchema | None]]:
        """Terminal bodies of names by which patterns they match; what their values must be."""
        always = [p for p, language in self._languages.items() if language.is_all]
        others = [p for p in self._languages if p not in always]
        shared = [p for p in others if not self._stands_alone(p, others)]
        if len(shared) > _MOST_OVERLAPS:
            self._grammar.loosen()
            shared = []
        for pattern in others:
            if pattern not in shared:
                yield self._key((pattern,), ()), self._joined((pattern, *always))
        for size in range(1, len(shared) + 1):
            for chosen in combinations(shared, size):
                refused = [p for p in shared if p not in chosen]
                yield self._key(chosen, refused), self._joined((*chosen, *always))
        rest = self._additional if self._is_regular else None
        yield self._key((), others), self._joined(always) if always else rest

    def _stands_alone(self, pattern: str, others: Sequence[str]) -> bool:
        """Whether no name matches this and another pattern."""
        own = self._languages[pattern]
        return len(others) <= _MOST_COMPARED and all(
            disjoint(own, self._languages[other]) for other in others if other != pattern
        )

    def _key(self, chosen: Sequence[str], refused: Sequence[str]) -> str:
        """The terminal body of names that match the one patterns and not the others."""
        parts = [_regex(self._languages[p]) for p in chosen]
        if not parts or not self._is_free or not self._grammar.style.judging:
            parts.insert(0, self._shape)
        names = self._taken
        if len(names) * len(chosen) < _MOST_MATCHED:
            names = tuple(n for n in names if all(self._compiler.finds(p, n) for p in chosen))
        if names:
            parts.append(f"~({' | '.join(map(literal_text, names))})")
        return " & ".join([*parts, *(f"~{_regex(self._languages[p])}" for p in refused)])

    def _joined(self, patterns: Sequence[str]) -> CanonicalSchema:
        return joined(self._grammar, [self._patterns[p] for p in patterns])

    def _terminal(self, body: str) -> str:
        return self._grammar.terminal(body, "X")

    def _value(self, node: CanonicalSchema | None) -> str | None:
        if node is None:
            return self._grammar.any_value()
        return self._compiler.value(node, self._part.below("extra"))


def joined(grammar: Grammar, nodes: Sequence[CanonicalSchema]) -> CanonicalSchema:
    """What values must be that all of `nodes` speak about."""
    node = nodes[0]
    for other in nodes[1:]:
        try:
            node = node.intersect(other)
        except CanonicalizationError:
            grammar.loosen()
    return node


def _regex(language: Language) -> str:
    return f'/"{language.body}"/'
