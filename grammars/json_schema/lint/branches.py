"""Branches of anyOf and oneOf that are never taken, or that add nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tether.grammars.findings import Finding
from tether.grammars.json_schema.lint.contradictions import Dead, is_branch
from tether.grammars.json_schema.lint.messages import SCHEMA

if TYPE_CHECKING:
    from tether.grammars.json_schema.lint.parts import Parts

MOST_BRANCHES = 24
"""Branches of one choice above which they are not compared."""


def branch_findings(parts: Parts, dead: Dead) -> Iterator[Finding]:
    """Every branch that no value fits, or whose values all fit another one."""
    for where, why in dead.items():
        if where and is_branch(where):
            yield SCHEMA["branch_dead"].on(where, where=where, why=why)
    for where, part in parts.each.items():
        for keyword in ("anyOf", "oneOf"):
            branches = _live(part.get(keyword), f"{where}/{keyword}", dead)
            if len(branches) <= MOST_BRANCHES:
                yield from _covered(parts, branches, keyword)


def _live(branches: object, pointer: str, dead: Dead) -> list[str]:
    """The pointers of the branches that some value fits."""
    pointers = (
        [f"{pointer}/{i}" for i in range(len(branches))] if isinstance(branches, list) else []
    )
    return [each for each in pointers if each not in dead]


def _covered(parts: Parts, branches: list[str], keyword: str) -> Iterator[Finding]:
    message = SCHEMA["branch_covered" if keyword == "anyOf" else "branch_excluded"]
    for index, narrow in enumerate(branches):
        for other, wide in enumerate(branches):
            if index == other or not parts.covers(wide, narrow):
                continue
            if other > index and parts.covers(narrow, wide):
                continue  # the two are equal: the later one is named
            yield message.on(narrow, where=narrow, other=wide)
            break
