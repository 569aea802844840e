"""What a schema would cost the library that makes it canonical, told before it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, TypeVar

from tether.grammars.json_schema.front.chains import longest_chain
from tether.types import Json

Result = TypeVar("Result")

_DEEPEST = 20_000
_LONGEST_CHAIN = 400
"""References that may follow each other at one place: their cost grows with their square."""
_WIDEST = 2**14
"""Cases of all intersections of unions: the library may take half a second for as many."""
_CHEAP_PAIRS = 128
"""Pairs of branches of a oneOf that are compared in the time of one case."""
_STACK = 256 << 20
_DATA = frozenset(("enum", "const", "default", "examples"))
_DYNAMIC = frozenset(("$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor"))
_MULTIPLYING = frozenset(("allOf", "dependentRequired", "dependencies", "dependentSchemas"))
_WHOLE = ("required", "properties", "allOf")
"""Keywords of which a `not` denies the parts one by one."""
_stack_size = threading.Lock()


class Strain:
    """The references and the multiplied cases of a schema.

    Attributes:
        num_references: How many references there are.
        num_cases: The cases of all intersections of unions.
        longest_chain: The most references that follow each other at one place.
        is_dynamic: Whether some reference depends on where it is reached from.
    """

    def __init__(self, schema: Json) -> None:
        self.num_references = 0
        self.num_cases = 0
        self.is_dynamic = False
        waiting: list[Any] = [schema]
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                self._count(part)
                part = [value for keyword, value in part.items() if keyword not in _DATA]
            if isinstance(part, list):
                waiting += [value for value in part if isinstance(value, dict | list)]
        is_long = self.num_references > _LONGEST_CHAIN
        self.longest_chain = longest_chain(schema) if is_long else self.num_references

    @property
    def too_deep(self) -> bool:
        """Whether no stack would do."""
        return self.num_references > _DEEPEST or self.longest_chain > _LONGEST_CHAIN

    @property
    def too_wide(self) -> bool:
        """Whether there are too many cases to tell apart."""
        return self.num_cases > _WIDEST

    @property
    def deep(self) -> bool:
        """Whether an ordinary stack may not do: a part that refers to itself is unfolded far."""
        return self.num_references > 0 or self.is_dynamic

    def _count(self, part: dict[str, Any]) -> None:
        self.num_references += "$ref" in part
        self.is_dynamic |= not _DYNAMIC.isdisjoint(part)
        if not _MULTIPLYING.isdisjoint(part):
            cases = prod(_factors(part))
            self.num_cases += cases if cases > 1 else 0
        self.num_cases += _size(part, "oneOf") ** 2 // _CHEAP_PAIRS


def _factors(part: dict[str, Any]) -> Iterator[int]:
    """In how many cases each keyword of a schema falls."""
    for keyword in ("anyOf", "oneOf"):
        yield max(_size(part, keyword), 1)
    for keyword in ("dependentRequired", "dependencies", "dependentSchemas"):
        yield 2 ** min(_size(part, keyword), 64)
    yield 4 if "if" in part else 1
    forbidden = part.get("not")
    if isinstance(forbidden, dict):
        yield max(sum(_size(forbidden, keyword) for keyword in _WHOLE), 1) ** 2
    branches = part.get("allOf")
    for branch in branches if isinstance(branches, list) else ():
        yield from _factors(branch) if isinstance(branch, dict) else ()


def _size(part: dict[str, Any], keyword: str) -> int:
    value = part.get(keyword)
    return len(value) if isinstance(value, dict | list) else 0


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
