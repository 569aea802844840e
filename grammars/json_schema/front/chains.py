"""How many references follow each other at one place of a text, with no value in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tether.grammars.json_schema.walk import local_reference, resolve

_ONES = ("not", "if", "then", "else")
_LISTS = ("allOf", "anyOf", "oneOf")


def longest_chain(schema: object) -> int:
    """The length of the longest chain of local references; a circle ends where it closes."""
    depths: dict[str, int] = {}
    for target in _references(schema):
        if target not in depths:
            _follow(schema, target, depths)
    return max(depths.values(), default=0)


def _follow(schema: object, start: str, depths: dict[str, int]) -> None:
    """Note how many references follow each other from `start`, and from all that it leads to."""
    depths[start] = 1
    stack = [(start, _references_here(resolve(schema, start)))]
    while stack:
        pointer, following = stack[-1]
        target = next(following, None)
        if target is None:
            stack.pop()
            target, pointer = pointer, stack[-1][0] if stack else pointer
        elif target not in depths:
            depths[target] = 1
            stack.append((target, _references_here(resolve(schema, target))))
            continue
        if target != pointer:
            depths[pointer] = max(depths[pointer], depths[target] + 1)


def _references(schema: object) -> Iterator[str]:
    """The pointers of every local reference."""
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from local_reference(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _references_here(part: object) -> Iterator[str]:
    """The pointers of the references that speak about the same value as `part`."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from local_reference(part)
            waiting.extend(part[keyword] for keyword in _ONES if keyword in part)
            lists = (part[keyword] for keyword in _LISTS if isinstance(part.get(keyword), list))
            waiting.extend(branch for branches in lists for branch in branches)
