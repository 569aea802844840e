"""A value -> the text that a matcher takes for it, token by token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tether.grammars.guarded import GuardedMatcher
from tether.grammars.json_schema.front.order import DeclaredOrder
from tether.types import Json


class Writer:
    """Writes values as a schema's own texts have them: keys in declared order, no exponents.

    Args:
        schema: The schema.
    """

    def __init__(self, schema: Json) -> None:
        self._order = DeclaredOrder(schema)

    def write(self, matcher: GuardedMatcher, value: Any) -> bool:  # noqa: ANN401
        """Advance `matcher` over `value`; False where it does not take one of its parts."""
        if isinstance(value, dict):
            return self._object(matcher, value)
        if isinstance(value, list):
            return self._array(matcher, value)
        return _say(matcher, _scalar(value))

    def _array(self, matcher: GuardedMatcher, items: Sequence[Any]) -> bool:
        begun = (_say(matcher, "," if at else "[") and self.write(matcher, item)
                 for at, item in enumerate(items))  # fmt: skip
        return all(begun) and _say(matcher, "]" if items else "[]")

    def _object(self, matcher: GuardedMatcher, members: dict[str, Any]) -> bool:
        left = self._order.sorted(members)
        before = "{"
        while left:
            name = next((n for n in left if _say(matcher, f"{before}{_scalar(n)}:")), None)
            if name is None or not self.write(matcher, members[name]):
                return False
            left.remove(name)
            before = ","
        return _say(matcher, "}" if members else "{}")


def _say(matcher: GuardedMatcher, text: str) -> bool:
    """Advance over a text where all of it stands."""
    tokens = matcher.vocabulary.speller.spell(text.encode("utf-8", "replace"))
    if not matcher.stands(tokens):
        return False
    for token in tokens:
        matcher.advance(token)
    return True


def _scalar(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return json.dumps(value, ensure_ascii=False)
