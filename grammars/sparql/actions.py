"""What each lexeme does to a query: opens and closes groups, says terms, completes triples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tether.grammars.guarded import Refusal
from tether.grammars.sparql.frame import Frame, Head, Kind
from tether.grammars.sparql.lookup import Name, Term, Triple, Variable
from tether.grammars.sparql.progress import Path, Progress

_LIST = frozenset(
    ["SHOWN", "AGGREGATE", "COUNT", "KEY", "ORDER_VAR", "DIRECTION", "DATUM", "AND", "OR",
     "COMMA_T", "DESCRIBED", "T_SUBJECT", "T_SUBJECT_VAR", "FUNCTION_T", "FUNCTION_S"]
)  # fmt: skip
"""Lexemes that begin a member of a list."""
_NEW_LIST = frozenset(["WHERE", "GROUP", "ORDER", "VALUES", "FILTER", "SELECT", "SUB_SELECT"])


class Lexeme(NamedTuple):
    """A lexeme as it was written.

    Attributes:
        terminal: Its name in `guided.lark`.
        text: Its text, with the space before it.
        at: Where it begins in the query, in bytes.
        rank: The name that it is, if it is one.
    """

    terminal: str
    text: str
    at: int
    rank: int = -1

    @property
    def variable(self) -> str:
        """The variable's name."""
        return self.text.strip()[1:]

    @property
    def term(self) -> Term:
        """The name or the variable that it is."""
        return Name(self.rank) if self.rank >= 0 else Variable(self.variable)


Outcome = Progress | Refusal


def feed(progress: Progress, lexeme: Lexeme) -> Outcome:
    """The query with one more lexeme, which its `lexemes` hold, or why that cannot be."""
    run = 0 if lexeme.terminal in _NEW_LIST else progress.run + (lexeme.terminal in _LIST)
    tail = progress.tail + lexeme.text if progress.frames else ""
    now = replace(progress, syntax=progress.syntax.after(lexeme.terminal), run=run, tail=tail)
    action = _ACTIONS.get(lexeme.terminal)
    return action(now, lexeme) if action else now


def _ask(progress: Progress, lexeme: Lexeme) -> Outcome:
    return _where(progress.with_head(is_ask=True), lexeme)


def _sub_select(progress: Progress, lexeme: Lexeme) -> Outcome:
    return replace(progress, heads=(*progress.heads, Head()), phase="head")


def _star(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_head(is_star=True)


def _shown(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_head(shown=progress.head.shown | {lexeme.variable})


def _constructed(progress: Progress, lexeme: Lexeme) -> Outcome:
    head, name = progress.head, {lexeme.variable}
    subjects = head.subjects | name if lexeme.terminal == "T_SUBJECT_VAR" else head.subjects
    return progress.with_head(counted=head.counted | name, subjects=subjects)


def _alias(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_head(aliases=progress.head.aliases | {lexeme.variable})


def _inner(progress: Progress, lexeme: Lexeme) -> Outcome:
    """A variable in brackets: what an aggregate of the head counts has to be bound."""
    if progress.phase != "head":
        return progress
    return progress.with_head(counted=progress.head.counted | {lexeme.variable})


def _key(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_head(keys=progress.head.keys | {lexeme.variable})


def _grouped(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_head(is_grouped=True)


def _where(progress: Progress, lexeme: Lexeme) -> Outcome:
    """Open the WHERE of the innermost query: over the whole graph, whatever is around it."""
    level = "vocabulary" if progress.head.is_open else progress.host.level
    scope = progress.host.graph.scope(level)
    is_live = level == "nonempty"
    frame = Frame(
        "where", lexeme.at, scope, progress.tail, is_live=is_live, heads=len(progress.heads)
    )
    return replace(progress, frames=(*progress.frames, frame), phase="body", tail="")


def _open(kind: Kind) -> Callable[[Progress, Lexeme], Outcome]:
    def action(progress: Progress, lexeme: Lexeme) -> Outcome:
        frame = progress.frame
        inner = Frame(
            kind,
            lexeme.at,
            frame.scope,
            progress.tail,
            known=frame.known,
            outer=frame.seen | frame.outer if kind in _SEES_OUTER else frozenset(),
            is_live=frame.is_live,
            in_doubt=frame.in_doubt,
            heads=len(progress.heads),
        )
        if kind in _LOOSE:
            scope = progress.host.graph.scope("vocabulary")
            inner = replace(inner, scope=scope, known=frozenset(), is_live=False)
        return replace(progress, frames=(*progress.frames, inner), tail="")

    return action


_SEES_OUTER = frozenset(["optional", "exists", "not_exists"])
_LOOSE = frozenset(["not_exists", "minus", "graph"])
"""Groups in which the scope says nothing: more triples may mean more rows, or another graph."""


def _union(progress: Progress, lexeme: Lexeme) -> Outcome:
    branch, parent = progress.frame, progress.frames[-2]
    first = branch.first or branch
    fresh = Frame(
        "group",
        branch.start,
        parent.scope,
        branch.opening + branch.body + progress.tail,
        known=parent.known,
        is_live=parent.is_live,
        in_doubt=parent.in_doubt,
        first=replace(first, seen=first.seen | branch.seen),
        heads=branch.heads,
    )
    return replace(progress, frames=(*progress.frames[:-1], fresh), tail="")


def _close(progress: Progress, lexeme: Lexeme) -> Outcome:
    if not progress.frames:  # of a CONSTRUCT's template
        return progress
    done = progress.settled()
    frame = done.frame
    if frame.kind == "where":
        return _close_where(done)
    if frame.kind == "values":
        return _close_values(done, lexeme)
    if len(done.heads) > frame.heads:
        return _close_sub_select(done, lexeme)
    return _close_group(done, lexeme)


def _close_where(done: Progress) -> Outcome:
    now = replace(done.with_head(where=done.frame), frames=done.frames[:-1], phase="tail")
    if now.frames:  # the text of a sub-select is its group's
        now = now.with_frame(body=done.frame.opening + done.frame.body)
    return now


def _close_group(done: Progress, lexeme: Lexeme) -> Outcome:
    frame, parent = done.frame, done.frames[-2]
    kept = frame.first or frame  # of a UNION the scope keeps the first branch
    changes = {"body": parent.body + frame.opening + frame.body}
    now = replace(done, frames=done.frames[:-1])
    if frame.kind in _LOOSE:
        seen = parent.seen | frame.seen if frame.kind == "graph" else parent.seen
        return _asked(now.with_frame(**changes, seen=seen, in_doubt=True), lexeme, frame.start)
    seen = parent.seen if frame.kind == "exists" else parent.seen | frame.seen | kept.seen
    subjects = parent.subjects | (kept.subjects if frame.kind == "group" else frozenset())
    return now.with_frame(
        **changes,
        seen=seen,
        scope=kept.scope,
        known=kept.known,
        subjects=parent.subjects if frame.first else subjects,
        in_doubt=kept.in_doubt,
    )


def _close_sub_select(done: Progress, lexeme: Lexeme) -> Outcome:
    frame, parent, head = done.frame, done.frames[-2], done.head
    assert head.where is not None
    scope, known = parent.scope, parent.known
    for name in sorted(head.shown):
        domain = head.where.scope.domain(name)
        narrowed = scope if domain is None else scope.restrict(name, domain)
        if narrowed is None:
            return _refusal(lexeme, frame.start)
        scope, known = narrowed, known | {name} if domain is not None else known
    now = replace(done, heads=done.heads[:-1], frames=done.frames[:-1], phase="body")
    now = now.with_frame(
        body=parent.body + frame.opening + frame.body,
        seen=parent.seen | head.shown | head.aliases,
        scope=scope,
        known=known,
        in_doubt=True,
    )
    return _asked(now, lexeme, frame.start)


def _values_variable(progress: Progress, lexeme: Lexeme) -> Outcome:
    return replace(progress, data=(lexeme.variable, ()))


def _brace(progress: Progress, lexeme: Lexeme) -> Outcome:
    return _open("values" if progress.data[0] else "graph")(progress, lexeme)


def _datum(progress: Progress, lexeme: Lexeme) -> Outcome:
    name, ranks = progress.data
    return replace(progress, data=(name, (*ranks, lexeme.rank)))


def _close_values(done: Progress, lexeme: Lexeme) -> Outcome:
    frame, parent = done.frame, done.frames[-2]
    name, ranks = done.data
    scope = parent.scope.restrict(name, np.unique(np.array(ranks, dtype=np.uint32)))
    if scope is None:
        return _refusal(lexeme, done.part)
    now = replace(done, frames=done.frames[:-1], data=("", ()))
    now = now.with_frame(
        body=parent.body + frame.opening + frame.body,
        scope=scope,
        known=parent.known | {name},
        seen=parent.seen | {name},
    )
    return _asked(now, lexeme, done.part) if now.frame.in_doubt else now


def _graph_variable(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_frame(seen=progress.frame.seen | {lexeme.variable})


def _part(progress: Progress, lexeme: Lexeme) -> Outcome:
    """The beginning of a FILTER, BIND, VALUES or GRAPH."""
    return replace(progress, part=lexeme.at)


def _filtered(progress: Progress, lexeme: Lexeme) -> Outcome:
    now = progress.settled().with_frame(in_doubt=True)
    return _asked(now, lexeme, progress.part)


def _bound(progress: Progress, lexeme: Lexeme) -> Outcome:
    seen = progress.frame.seen | {lexeme.variable}
    return progress.with_frame(seen=seen, in_doubt=True)


def _asked(progress: Progress, lexeme: Lexeme, start: int) -> Outcome:
    """The query, unless the store says that it has no solution any more."""
    if progress.frame.is_live and progress.is_satisfiable() is False:
        return _refusal(lexeme, start)
    return progress


def _refusal(lexeme: Lexeme, start: int) -> Refusal:
    """That the part which began at `start` is better begun anew, with something else."""
    return Refusal(start + 1, lexeme.at + len(lexeme.text.encode()), anew=True)


def _subject(progress: Progress, lexeme: Lexeme) -> Outcome:
    return replace(progress, subject=lexeme.term, triple=Triple(lexeme.term), path=Path())


def _inverse(progress: Progress, lexeme: Lexeme) -> Outcome:
    if progress.path.aside is not None:
        return progress
    triple = Triple(None, None, progress.triple.subject)
    return replace(progress, triple=triple, path=replace(progress.path, is_inverse=True))


def _predicate(progress: Progress, lexeme: Lexeme) -> Outcome:
    now = replace(progress, path=replace(progress.path, steps=progress.path.steps + 1))
    if progress.path.aside is not None:
        return now
    return replace(now, triple=now.triple._replace(predicate=lexeme.term))


def _bar(progress: Progress, lexeme: Lexeme) -> Outcome:
    if progress.path.aside is not None:
        return progress
    return replace(progress, path=replace(progress.path, aside=progress.path.depth))


def _open_path(progress: Progress, lexeme: Lexeme) -> Outcome:
    return replace(progress, path=replace(progress.path, depth=progress.path.depth + 1))


def _close_path(progress: Progress, lexeme: Lexeme) -> Outcome:
    path = progress.path
    aside = None if path.aside == path.depth else path.aside
    return replace(progress, path=replace(path, depth=path.depth - 1, aside=aside))


def _slash(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress if progress.path.aside is not None else stepped(progress) or progress


def stepped(progress: Progress) -> Progress | None:
    """The query where a path's step has led to a hidden variable; None where none can be there."""
    hidden = Variable(f" {progress.hidden}")
    scope = progress.frame.scope.add(_said(progress, hidden))
    if scope is None:
        return None
    now = progress.with_frame(scope=scope, known=progress.frame.known | {hidden.name})
    path = replace(progress.path, is_inverse=False)
    return replace(now, triple=Triple(hidden), path=path, hidden=progress.hidden + 1)


def _said(progress: Progress, end: Term) -> Triple:
    """The step at hand with its other end."""
    if progress.path.is_inverse:
        return progress.triple._replace(subject=end)
    return progress.triple._replace(object=end)


def _object(progress: Progress, lexeme: Lexeme) -> Outcome:
    """The end of a triple."""
    triple = _said(progress, lexeme.term)
    refusal = Refusal(lexeme.at + 1, lexeme.at + len(lexeme.text.encode()))
    scope, frame = progress.frame.scope.add(triple), progress.frame
    if scope is None:
        return refusal
    now = progress.settled().with_frame(
        scope=scope,
        known=frame.known | _variables(*triple),
        seen=frame.seen | _shown_of(_variables(progress.subject, *triple)),
        subjects=frame.subjects | _shown_of(_variables(triple.subject)),
    )
    now = replace(now, count=now.count + 1)
    if now.frame.is_live and now.frame.in_doubt and now.is_satisfiable() is False:
        return refusal
    return now


def _variables(*terms: Term | None) -> set[str]:
    return {term.name for term in terms if isinstance(term, Variable)}


def _shown_of(names: set[str]) -> set[str]:
    """Those that stand in the text."""
    return {name for name in names if not name.startswith(" ")}


def _semicolon(progress: Progress, lexeme: Lexeme) -> Outcome:
    return replace(progress, triple=Triple(progress.subject), path=Path())


_ACTIONS: dict[str, Callable[[Progress, Lexeme], Outcome]] = {
    "ASK": _ask, "SUB_SELECT": _sub_select, "STAR": _star, "SHOWN": _shown,
    "T_SUBJECT_VAR": _constructed, "T_OBJECT_VAR": _constructed, "ALIAS": _alias,
    "VAR_T": _inner, "VAR_S": _inner, "KEY": _key, "GROUP": _grouped, "WHERE": _where,
    "OPTIONAL": _open("optional"), "OPEN": _open("group"), "MINUS": _open("minus"),
    "EXISTS": _open("exists"), "NOT_EXISTS": _open("not_exists"), "UNION": _union,
    "CLOSE": _close, "DATA_VAR": _values_variable, "BRACE": _brace, "DATUM": _datum,
    "GRAPH_VAR": _graph_variable, "GRAPH": _part, "VALUES": _part, "FILTER": _part,
    "BIND": _part, "FILTER_END": _filtered, "BOUND_VAR": _bound, "SUBJECT": _subject,
    "SUBJECT_VAR": _subject, "INVERSE": _inverse, "PREDICATE": _predicate,
    "PREDICATE_VAR": _predicate, "BAR": _bar, "OPEN_PATH": _open_path,
    "CLOSE_PATH": _close_path, "SLASH": _slash, "OBJECT": _object, "OBJECT_VAR": _object,
    "SEMICOLON": _semicolon,
}  # fmt: skip
