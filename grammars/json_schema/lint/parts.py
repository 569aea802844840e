"""The parts of a schema in canonical form, for questions about what they admit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from tether.grammars.json_schema.front.strain import Strain, on_deep_stack
from tether.grammars.json_schema.oracle import draft_of
from tether.grammars.json_schema.walk import local_reference, subschemas
from tether.types import Json

if TYPE_CHECKING:
    import jsonschema_rs

Result = TypeVar("Result")

_ROOT = "urn:tether:schema"
_MOST_PARTS = 4000
"""Parts of a schema above which no canonical form is asked for: some take time in their square."""

_MOST_COMPARISONS = 32
"""Questions whether one part covers another, in one schema."""
_TURNING = frozenset(("not", "oneOf", "if"))
_MOST_TURNS = 20
"""Keywords of these in one part above which it counts as unresolved: their cases multiply."""


class Parts:
    """A schema that the oracle takes, part by part.

    Attributes:
        schema: The whole.
        draft: As jsonschema-rs numbers it.
        each: Every sub-schema by its JSON Pointer.
    """

    def __init__(self, schema: Json) -> None:
        self.schema = schema
        self.draft = draft_of(schema)
        self.each = dict(subschemas(schema))
        self._strain = Strain(schema)
        self._comparisons = 0
        self._known: dict[str, jsonschema_rs.CanonicalSchema | None] = {}

    @property
    def is_large(self) -> bool:
        """Whether questions about what parts admit are too dear."""
        strained = self._strain.too_deep or self._strain.too_wide
        return strained or len(self.each) > _MOST_PARTS

    def unsatisfiable(self) -> dict[str, jsonschema_rs.canonical.UnsatisfiableReason]:
        """The parts that admit nothing, by JSON Pointer, with the reason."""
        import jsonschema_rs

        if self.is_large:
            return {}
        try:
            return self._asked(
                lambda: jsonschema_rs.canonical.find_unsatisfiable(
                    self.schema,  # type: ignore[arg-type]
                    validate_formats=True,
                    offline=True,
                )
            )
        except (jsonschema_rs.ReferencingError, ValueError):  # not modelled: nothing is known
            return {}

    def covers(self, wide: str, narrow: str) -> bool:
        """Whether everything that fits the part at `narrow` surely fits the one at `wide`."""
        import jsonschema_rs

        if self._may_not_cover(wide, narrow):
            return False
        self._comparisons += 1
        if self._comparisons > _MOST_COMPARISONS:
            return False
        one, other = self._canonical(wide), self._canonical(narrow)
        if one is None or other is None:
            return False
        try:
            verdict = self._asked(lambda: one.covers(other))
            return verdict == jsonschema_rs.canonical.Containment.YES
        except ValueError:  # an operand that the canonical form does not support
            return False

    def _may_not_cover(self, wide: str, narrow: str) -> bool:
        """Whether a look shows what a comparison, which can take milliseconds, would say."""
        one, other = self._followed(wide), self._followed(narrow)
        wanted, given = one.get("required"), other.get("required")
        if isinstance(wanted, list) and isinstance(given, list) and not _within(wanted, given):
            return True
        kinds, own = one.get("type"), other.get("type")
        if not (isinstance(kinds, str) and isinstance(own, str)):
            return False
        return kinds != own and (kinds, own) != ("number", "integer")

    def _followed(self, pointer: str) -> dict[str, Any]:
        """The part at a pointer, or where its reference leads."""
        part = self.each.get(pointer, {})
        target = local_reference(part)
        return self.each.get(target[0], {}) if target else part

    def is_resolved(self, pointer: str, keywords: Sequence[str]) -> bool:
        """Whether a part's `keywords` can be said without not, oneOf and conditions."""
        import jsonschema_rs

        kinds = jsonschema_rs.canonical.CanonicalKind
        loose = {kinds.NOT, kinds.ONE_OF, kinds.RAW}
        root, part = self.each[""], self.each[pointer]
        shelves = ("$schema", "$defs", "definitions")
        asked = {name: part[name] for name in keywords if name in part}
        if self.is_large or _num_turns(asked) > _MOST_TURNS:
            return False
        form = self._canonicalized({name: root[name] for name in shelves if name in root} | asked)
        if form is None or form.kind in loose:
            return False
        branches = getattr(form.view(), "branches", ())
        return all(branch.kind not in loose for branch in branches)

    def _canonical(self, pointer: str) -> jsonschema_rs.CanonicalSchema | None:
        if pointer not in self._known:
            target = {"$ref": f"{_ROOT}#{quote(pointer)}"}
            self._known[pointer] = None if self.is_large else self._canonicalized(target)
        return self._known[pointer]

    def _canonicalized(self, schema: dict[str, Any]) -> jsonschema_rs.CanonicalSchema | None:
        import jsonschema_rs

        try:
            return self._asked(
                lambda: jsonschema_rs.canonicalize(
                    schema,
                    draft=self.draft,
                    registry=self._registry,
                    validate_formats=True,
                    offline=True,
                )
            )
        except (jsonschema_rs.ReferencingError, ValueError):
            return None

    def _asked(self, question: Callable[[], Result]) -> Result:
        """The answer of the library, which follows references by recursion."""
        return on_deep_stack(question) if self._strain.deep else question()

    @cached_property
    def _registry(self) -> Any:  # noqa: ANN401
        import jsonschema_rs

        return jsonschema_rs.Registry([(_ROOT, self.schema)], draft=self.draft)


def _num_turns(part: dict[str, Any]) -> int:
    return sum(not _TURNING.isdisjoint(each) for _, each in subschemas(part))


def _within(some: list[Any], others: list[Any]) -> bool:
    return all(each in others for each in some)
