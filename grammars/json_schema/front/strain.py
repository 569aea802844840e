"""What a schema would cost the library that makes it canonical, told before it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, TypeVar

from tether.types import Json

Result = TypeVar("Result")

_DEEP = 400
"""References that may follow each other on an ordinary stack."""
_DEEPEST = 20_000
_WIDEST = 2**20
"""Cases of one intersection of unions."""
_STACK = 256 << 20
_DATA = frozenset(("enum", "const", "default", "examples"))
_DYNAMIC = frozenset(("$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor"))
_stack_size = threading.Lock()


class Strain:
    """The references and the multiplied cases of a schema.

    Attributes:
        num_references: How many references there are.
        num_cases: The cases of the widest intersection of unions.
        is_dynamic: Whether some reference depends on where it is reached from.
    """

    def __init__(self, schema: Json) -> None:
        self.num_references = 0
        self.num_cases = 1
        self.is_dynamic = False
        waiting: list[Any] = [schema]
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                self._count(part)
                part = [value for keyword, value in part.items() if keyword not in _DATA]
            if isinstance(part, list):
                waiting += [value for value in part if isinstance(value, dict | list)]

    @property
    def too_deep(self) -> bool:
        """Whether no stack would do."""
        return self.num_references > _DEEPEST

    @property
    def too_wide(self) -> bool:
        """Whether there are too many cases to tell apart."""
        return self.num_cases > _WIDEST

    @property
    def deep(self) -> bool:
        """Whether an ordinary stack may not do."""
        return self.num_references > _DEEP

    def _count(self, part: dict[str, Any]) -> None:
        self.num_references += "$ref" in part
        self.is_dynamic |= not _DYNAMIC.isdisjoint(part)
        if "allOf" in part or "dependentRequired" in part or "dependencies" in part:
            self.num_cases = max(self.num_cases, prod(_factors(part)))


def _factors(part: dict[str, Any]) -> Iterator[int]:
    """In how many cases each keyword of a schema falls; dependencies weigh double."""
    for keyword in ("anyOf", "oneOf"):
        yield max(len(part.get(keyword) or ()), 1)
    for keyword in ("dependentRequired", "dependencies", "dependentSchemas"):
        yield 4 ** min(len(part.get(keyword) or ()), 64)
    for branch in part.get("allOf") or ():
        yield from _factors(branch) if isinstance(branch, dict) else ()


def on_deep_stack(function: Callable[[], Result]) -> Result:
    """What `function` returns or raises, run where it may recurse far."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    with _stack_size:
        before = threading.stack_size(_STACK)
        try:
            thread = threading.Thread(target=run)
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
