"""The groups of a query that are open, and what its head promised. Values: nothing changes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tether.grammars.sparql.lookup import Scope

Kind = Literal["where", "group", "optional", "exists", "not_exists", "minus", "graph", "values"]
_NONE: frozenset[str] = frozenset()


class Asked(NamedTuple):
    """A part of a query as the store is asked it. Steps of paths that repeat stand there once.

    Attributes:
        full: All of it.
        witness: Of each UNION and `|` the first branch: a solution of this is one of all.
    """

    full: str = ""
    witness: str = ""

    def then(self, other: Asked) -> Asked:
        """This part and another one."""
        return Asked(self.full + other.full, self.witness + other.witness)


NOTHING = Asked()


@dataclass(frozen=True, slots=True)
class Frame:
    """A group that is open.

    Attributes:
        kind: What the group is.
        start: Where its first lexeme begins in the text, in bytes.
        scope: A conjunction that, having a solution, gives the query one: the group and what is
            around it, of each UNION and `|` the first branch, EXISTS as a join, no OPTIONAL.
        opening: The text from what is around the group to its own: ` . OPTIONAL {`, say.
        body: The group's text so far, whole triples only.
        seen: Variables that the group binds.
        maybe: Those of them that a solution may lack.
        known: Variables that the scope has.
        outer: Variables that a FILTER of the group can see besides.
        subjects: Variables that the group binds to subjects.
        is_live: Whether it must have a solution.
        in_doubt: Whether it holds what the scope does not know, so that the store must be asked.
        first: The first branch of a UNION as it was closed.
        heads: How many queries were open when the group began.
    """

    kind: Kind
    start: int
    scope: Scope
    opening: Asked = NOTHING
    body: Asked = NOTHING
    seen: frozenset[str] = _NONE
    maybe: frozenset[str] = _NONE
    known: frozenset[str] = _NONE
    outer: frozenset[str] = _NONE
    subjects: frozenset[str] = _NONE
    is_live: bool = True
    in_doubt: bool = False
    first: Frame | None = None
    heads: int = 1


@dataclass(frozen=True, slots=True)
class Head:
    """What a query or a sub-select says before its WHERE, and what came of it.

    Attributes:
        shown: Variables shown as they are.
        aliases: Names of its aggregates.
        counted: Variables inside of aggregates.
        subjects: Variables that stand for subjects in what is constructed.
        keys: What it is grouped by.
        where: Its WHERE, once closed.
        is_star: Whether everything is shown.
        is_grouped: Whether its GROUP BY has begun.
        is_ask: Whether it is a question of yes or no.
        may_drop: Whether it drops solutions (HAVING, OFFSET).
        is_told: Whether it gives triples (CONSTRUCT, DESCRIBE), which need bound variables.
    """

    shown: frozenset[str] = _NONE
    aliases: frozenset[str] = _NONE
    counted: frozenset[str] = _NONE
    subjects: frozenset[str] = _NONE
    keys: frozenset[str] = _NONE
    where: Frame | None = field(default=None)
    is_star: bool = False
    is_grouped: bool = False
    is_ask: bool = False
    is_told: bool = False
    may_drop: bool = False

    @property
    def is_bare(self) -> bool:
        """Whether it shows aggregates of everything there is: always one row."""
        return bool(self.aliases) and not self.shown

    @property
    def is_open(self) -> bool:
        """Whether no solution is an answer too."""
        return self.is_ask or self.is_bare

    @property
    def needed(self) -> frozenset[str]:
        """Variables that WHERE has to bind."""
        return self.shown | self.counted

    @property
    def missing_keys(self) -> frozenset[str]:
        """What is shown and not grouped by yet, where it has to be."""
        return self.shown - self.keys if self.aliases or self.is_grouped else _NONE
