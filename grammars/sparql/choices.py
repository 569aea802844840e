"""What may come next in a query: which lexemes, which names, which variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tether.grammars.sparql.actions import stepped
from tether.grammars.sparql.lexemes import END
from tether.grammars.sparql.lookup import (
    Candidates,
    Name,
    Position,
    Ranks,
    Role,
    Triple,
    Variable,
)
from tether.grammars.sparql.progress import Progress

MOST_TRIPLES = 24
"""Triples of a query; behind that only variables still to be bound begin new ones."""
_MOST_FRAMES = 8
_MOST_MEMBERS = 8
"""Groups that are open at once; members of a list."""

_ROLES: dict[str, Role] = {
    "T_SUBJECT": "subject", "T_PREDICATE": "predicate", "T_OBJECT": "object", "TERM": "subject",
    "DESCRIBED": "subject", "GRAPH_NAME": "graph", "DATUM": "object",
}  # fmt: skip
_PLACES: dict[str, Position] = {
    "SUBJECT": "subject", "PREDICATE": "predicate", "OBJECT": "object", "SUBJECT_VAR": "subject",
    "PREDICATE_VAR": "predicate", "OBJECT_VAR": "object",
}  # fmt: skip
_EMPTY: Ranks = np.empty(0, dtype=np.uint32)


class Variables(NamedTuple):
    """Which variables may stand somewhere.

    Attributes:
        named: These may.
        fresh: All others may too, but for those `banned`.
        banned: See `fresh`.
    """

    named: frozenset[str]
    fresh: bool = False
    banned: frozenset[str] = frozenset()

    def allow(self, name: str) -> bool:
        """Whether this one may."""
        return name in self.named or (self.fresh and name not in self.banned)

    def __bool__(self) -> bool:
        """Whether any may."""
        return self.fresh or bool(self.named)


def names(progress: Progress, terminal: str) -> Ranks:
    """The names that may stand as a terminal."""
    if terminal == "DATUM":
        domain = progress.frame.scope.domain(progress.data[0])
        return progress.host.graph.role("object") if domain is None else domain
    if terminal in _ROLES:
        return progress.host.graph.role(_ROLES[terminal])
    if terminal == "PREDICATE" and progress.path.aside is not None:
        return progress.host.graph.role("predicate")
    if terminal == "SUBJECT" and progress.count >= MOST_TRIPLES:
        return _EMPTY
    return _candidates(progress, terminal).ranks


def variables(progress: Progress, terminal: str) -> Variables:
    """The variables that may stand as a terminal."""
    if terminal in _PLACES:
        return _of_triple(progress, terminal)
    return _VARIABLES[terminal](progress)


def permits(progress: Progress, terminal: str) -> bool:
    """Whether a terminal that the grammar allows makes sense here."""
    if terminal in _MEMBERS and progress.run >= _MOST_MEMBERS:
        return terminal == "KEY" and bool(progress.head.missing_keys)
    if terminal in _NAMED:
        return names(progress, terminal).size > 0
    if terminal in _PLACES or terminal in _VARIABLES:
        return bool(variables(progress, terminal))
    rule = _RULES.get(terminal)
    return rule is None or rule(progress)


_MEMBERS = frozenset(
    ["SHOWN", "KEY", "ORDER_VAR", "DATUM", "DESCRIBED", "T_SUBJECT", "T_SUBJECT_VAR", "DIRECTION",
     "AND", "OR", "COMMA_T", "AGGREGATE", "COUNT", "FUNCTION_T", "FUNCTION_S"]
)  # fmt: skip
_NAMED = frozenset([*_ROLES, "SUBJECT", "PREDICATE", "OBJECT"])


def _candidates(progress: Progress, terminal: str) -> Candidates:
    place = _PLACES[terminal]
    if place == "object" and progress.path.is_inverse:
        place = "subject"
    if place not in progress.found:
        triple = _said_before(progress, terminal)
        progress.found[place] = progress.frame.scope.candidates(triple, place)
    return progress.found[place]


def _said_before(progress: Progress, terminal: str) -> Triple:
    """What is said of the triple that a terminal is part of."""
    return Triple() if terminal in ("SUBJECT", "SUBJECT_VAR") else progress.triple


def _of_triple(progress: Progress, terminal: str) -> Variables:
    head, frame = progress.head, progress.frame
    found = _candidates(progress, terminal)
    own = _names_of(_said_before(progress, terminal))
    visible = frozenset(name for name in found.variables if not name.startswith(" "))
    banned = frame.known | own | head.aliases
    if frame.is_live:  # what may be unbound joins nothing
        unsure = frozenset[str]().union(*(part.maybe for part in progress.chain))
        visible, banned = visible - unsure, banned | unsure
    apart = _APART | {"optional"} if head.is_told else _APART
    if any(part.kind in apart for part in progress.chain):
        banned |= unmet(progress)  # what is bound there does not count
    if terminal != "SUBJECT_VAR":
        waiting = head.subjects - frame.subjects  # to be bound as subjects first
        visible, banned = visible - waiting, banned | waiting
    allowed = Variables(visible - head.aliases, found.fresh, banned)
    if terminal == "SUBJECT_VAR" and progress.count >= MOST_TRIPLES:
        return Variables(frozenset(name for name in unmet(progress) if allowed.allow(name)))
    return allowed


_APART = frozenset(["exists", "not_exists", "minus"])


def unmet(progress: Progress) -> frozenset[str]:
    """The variables that the innermost WHERE has yet to bind."""
    if not progress.frames:
        return frozenset()
    head = progress.head
    frames = [f for f in progress.chain if not head.is_told or f.kind != "optional"]
    bound = (f.seen - f.maybe if head.is_told else f.seen for f in frames)
    return (head.needed - frozenset[str]().union(*bound)) | (
        head.subjects - progress.frame.subjects
    )


def _any(progress: Progress) -> Variables:
    return Variables(frozenset(), True, progress.head.aliases)


def _new_in_head(progress: Progress) -> Variables:
    head = progress.head
    banned = head.shown | head.aliases | head.counted
    return Variables(frozenset(), True, banned.union(*(f.seen | f.known for f in progress.frames)))


def _shown(progress: Progress) -> Variables:
    return Variables(frozenset(), True, progress.head.aliases | progress.head.shown)


def _inner(progress: Progress) -> Variables:
    """Inside of brackets: anything in the head, what is bound in WHERE and behind it."""
    if progress.phase == "head":
        return _any(progress)
    if progress.phase == "tail":
        return Variables(_bound(progress))
    return Variables(progress.frame.seen | progress.frame.outer)


def _bound(progress: Progress) -> frozenset[str]:
    where = progress.head.where
    return where.seen if where else frozenset()


def _keys(progress: Progress) -> Variables:
    return Variables(progress.head.missing_keys or _bound(progress) - progress.head.keys)


def _ordered(progress: Progress) -> Variables:
    head = progress.head
    if head.aliases or head.is_grouped:
        return Variables(head.keys | head.aliases)
    return Variables(_bound(progress))


def _data(progress: Progress) -> Variables:
    frame = progress.frame
    banned = frame.known | progress.loose | progress.head.aliases | progress.head.subjects
    return Variables(frame.known & frame.seen, True, banned)


def _new_in_where(progress: Progress) -> Variables:
    head = progress.head
    banned = (head.aliases | head.subjects).union(*(f.seen | f.known for f in progress.frames))
    return Variables(frozenset(), True, banned)


def _graphs(progress: Progress) -> Variables:
    return Variables(
        frozenset(), True, progress.frame.known | progress.head.aliases | progress.head.subjects
    )


_VARIABLES: dict[str, Callable[[Progress], Variables]] = {
    "SHOWN": _shown, "ALIAS": _new_in_head, "T_SUBJECT_VAR": _any, "T_OBJECT_VAR": _any,
    "VAR_T": _inner, "VAR_S": _inner, "KEY": _keys, "ORDER_VAR": _ordered,
    "ORDER_VAR_T": _ordered, "DATA_VAR": _data, "BOUND_VAR": _new_in_where, "GRAPH_VAR": _graphs,
}  # fmt: skip


def _has_room(progress: Progress) -> bool:
    return progress.count < MOST_TRIPLES


def _may_open(progress: Progress) -> bool:
    return _has_room(progress) and len(progress.frames) < _MOST_FRAMES


def _may_filter(progress: Progress) -> bool:
    return bool(progress.frame.seen)


def _may_close(progress: Progress) -> bool:
    """Whether a group has all that was promised of it."""
    if not progress.frames:
        return True
    frame = progress.frame
    if frame.kind != "where":
        return _may_end(progress) if len(progress.heads) > frame.heads else True
    head = progress.head
    if head.is_star and not frame.seen:
        return False
    bound = frame.seen - frame.maybe if head.is_told else frame.seen
    return head.needed <= bound and head.subjects <= frame.subjects


def _may_end(progress: Progress) -> bool:
    return not progress.head.missing_keys


def _may_group(progress: Progress) -> bool:
    return bool(progress.head.shown) and not progress.head.is_star


def _may_order(progress: Progress) -> bool:
    return _may_end(progress) and bool(_ordered(progress))


def _may_measure(progress: Progress) -> bool:
    """Whether an aggregate may stand behind WHERE."""
    return progress.head.is_grouped


def _may_invert(progress: Progress) -> bool:
    triple = Triple(None, None, progress.triple.subject)
    if progress.path.aside is not None:
        return True
    if _names_of(triple) & (progress.head.subjects - progress.frame.subjects):
        return False
    return progress.frame.scope.candidates(triple, "predicate").ranks.size > 0


def _names_of(triple: Triple) -> set[str]:
    return {term.name for term in triple if isinstance(term, Variable)}


def _may_branch(progress: Progress) -> bool:
    return progress.path.steps < _MOST_MEMBERS


def _may_repeat(progress: Progress) -> bool:
    """Whether a step may repeat: no more steps in it do, and where all is asked, from something.

    Stores try every way there is (Arenas, Conca and Perez, Counting beyond a Yottabyte, 2012).
    """
    if progress.path.inner:
        return False
    is_asked = progress.host.level == "nonempty" and not progress.heads[0].is_open
    if not is_asked or not progress.is_exact:
        return True
    frame, subject = progress.frame, progress.subject
    return isinstance(subject, Name) or bool(
        _names_of(Triple(subject)) & (frame.outer | frame.seen)
    )


def _may_nest(progress: Progress) -> bool:
    return _may_branch(progress) and progress.path.depth < _MOST_MEMBERS


def _may_step(progress: Progress) -> bool:
    """Whether a path can go on: from a literal there is no way."""
    if progress.path.aside is not None:
        return _may_branch(progress)
    further = stepped(progress) if progress.path.steps < _MOST_MEMBERS else None
    if further is None:
        return False
    return further.frame.scope.candidates(further.triple, "predicate").ranks.size > 0


def _may_choose_graph(progress: Progress) -> bool:
    return _may_open(progress) and progress.host.graph.role("graph").size > 0


_RULES: dict[str, Callable[[Progress], bool]] = {
    "SEMICOLON": _has_room, "COMMA": _has_room, "OPTIONAL": _may_open, "OPEN": _may_open,
    "MINUS": _may_open, "EXISTS": _may_open, "NOT_EXISTS": _may_open, "UNION": _has_room,
    "GRAPH": _may_choose_graph, "FILTER": _may_filter, "BIND": _may_filter, "CLOSE": _may_close,
    END: _may_end, "GROUP": _may_group, "HAVING": _may_end, "ORDER": _may_order,
    "LIMIT": _may_end,
    "AGGREGATE_T": _may_measure, "COUNT_T": _may_measure, "INVERSE": _may_invert,
    "SLASH": _may_step, "MOD": _may_repeat, "OPEN_PATH": _may_nest, "BAR": _may_branch,
}  # fmt: skip
