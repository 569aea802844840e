"""What opens and closes groups: WHERE, OPTIONAL, UNION, MINUS, sub-selects and the like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tether.grammars.guarded import Refusal
from tether.grammars.sparql.frame import NOTHING, Asked, Frame, Kind
from tether.grammars.sparql.progress import Progress
from tether.grammars.sparql.said import Lexeme

Outcome = Progress | Refusal
"""A query with one more lexeme, or why that cannot be."""


def where(progress: Progress, lexeme: Lexeme) -> Outcome:
    """Open the WHERE of the innermost query: over the whole graph, whatever is around it."""
    level = "vocabulary" if progress.head.is_open else progress.host.level
    scope = progress.host.graph.scope(level)
    is_live = level == "nonempty"
    frame = Frame(
        "where", lexeme.at, scope, progress.tail, is_live=is_live, heads=len(progress.heads)
    )
    return replace(progress, frames=(*progress.frames, frame), phase="body", tail=NOTHING)


def open_group(kind: Kind) -> Callable[[Progress, Lexeme], Outcome]:
    """The action of a lexeme that opens a group of a kind."""

    def action(progress: Progress, lexeme: Lexeme) -> Outcome:
        frame = progress.frame
        inner = Frame(
            kind,
            lexeme.at,
            frame.scope,
            progress.tail,
            known=frame.known,
            subjects=frame.subjects,
            outer=frame.seen | frame.outer if kind in _SEES_OUTER else frozenset(),
            is_live=frame.is_live,
            in_doubt=frame.in_doubt,
            heads=len(progress.heads),
        )
        if kind in _LOOSE:
            is_adjacent = kind == "optional" and frame.scope.reached != "vocabulary"
            scope = progress.host.graph.scope("adjacent" if is_adjacent else "vocabulary")
            inner = replace(inner, scope=scope, known=frozenset(), is_live=False)
        return replace(progress, frames=(*progress.frames, inner), tail=NOTHING)

    return action


_SEES_OUTER = frozenset(["optional", "exists", "not_exists"])
_LOOSE = frozenset(["not_exists", "minus", "graph", "optional"])
"""Groups of which the scope knows nothing: more triples may mean more rows, or another graph."""


def union(progress: Progress, lexeme: Lexeme) -> Outcome:
    """Close a branch of a UNION and open the next one."""
    branch, parent = progress.frame, progress.frames[-2]
    first = branch.first or branch
    seen = first.seen | branch.seen
    opening = branch.opening.then(branch.body).then(progress.tail)
    if not progress.is_exact:
        opening = opening._replace(witness=branch.opening.witness)
    fresh = Frame(
        "group",
        branch.start,
        parent.scope,
        opening,
        known=parent.known,
        subjects=parent.subjects,
        is_live=parent.is_live,
        in_doubt=parent.in_doubt,
        first=replace(first, seen=seen, maybe=seen - (first.seen - first.maybe)),
        heads=branch.heads,
    )
    return replace(progress, frames=(*progress.frames[:-1], fresh), tail=NOTHING)


def brace(progress: Progress, lexeme: Lexeme) -> Outcome:
    """Open what VALUES or GRAPH holds."""
    return open_group("values" if progress.data[0] else "graph")(progress, lexeme)


def close(progress: Progress, lexeme: Lexeme) -> Outcome:
    """Close the innermost group, of whatever kind."""
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
        now = now.with_frame(body=done.frame.opening.then(done.frame.body))
    return now


def _close_group(done: Progress, lexeme: Lexeme) -> Outcome:
    frame, parent = done.frame, done.frames[-2]
    if frame.kind == "minus" and not frame.seen & parent.seen and not _is_in_exists(done):
        # It shares nothing, so it takes nothing away; dots before and after it need their place.
        empty = Asked(*(text[: text.rindex("MINUS")] + "{ }" for text in frame.opening))
        return replace(done, frames=done.frames[:-1]).with_frame(body=parent.body.then(empty))
    kept = frame.first or frame  # of a UNION the scope keeps the first branch
    text = frame.opening.then(frame.body)
    if frame.first and not done.is_exact:
        text = text._replace(witness=f"{kept.opening.witness}{kept.body.witness} }}")
    now = replace(done, frames=done.frames[:-1]).with_frame(body=parent.body.then(text))
    if frame.kind == "optional":
        maybe = parent.maybe | (frame.seen - parent.seen)
        return now.with_frame(seen=parent.seen | frame.seen, maybe=maybe)
    if frame.kind in _LOOSE:
        inside = frame.seen if frame.kind == "graph" else frozenset[str]()
        now = now.with_frame(seen=parent.seen | inside, maybe=parent.maybe - inside, in_doubt=True)
        return asked(now, lexeme, frame.start)
    is_exists = frame.kind == "exists"
    inside = frozenset[str]() if is_exists else frame.seen | kept.seen
    sure = frozenset[str]() if is_exists else kept.seen - kept.maybe
    subjects = parent.subjects | (kept.subjects if frame.kind == "group" else frozenset())
    return now.with_frame(
        seen=parent.seen | inside,
        maybe=(parent.maybe | (inside - parent.seen)) - sure,
        scope=kept.scope,
        known=kept.known,
        subjects=parent.subjects if frame.first else subjects,
        in_doubt=kept.in_doubt,
    )


def _is_in_exists(progress: Progress) -> bool:
    """Whether an EXISTS is open; in there stores may bring outer variables into a MINUS."""
    return any(frame.kind in ("exists", "not_exists") for frame in progress.frames)


def _close_sub_select(done: Progress, lexeme: Lexeme) -> Outcome:
    frame, parent, head = done.frame, done.frames[-2], done.head
    assert head.where is not None
    scope, known = parent.scope, parent.known
    for name in sorted(head.shown):
        domain = head.where.scope.domain(name)
        narrowed = scope if domain is None else scope.restrict(name, domain)
        if narrowed is None:
            return refusal(lexeme, frame.start)
        scope, known = narrowed, known | {name} if domain is not None else known
    now = replace(done, heads=done.heads[:-1], frames=done.frames[:-1], phase="body")
    now = now.with_frame(
        body=parent.body.then(frame.opening).then(frame.body),
        seen=parent.seen | head.shown | head.aliases,
        scope=scope,
        known=known,
        in_doubt=True,
    )
    return asked(now, lexeme, frame.start)


def _close_values(done: Progress, lexeme: Lexeme) -> Outcome:
    frame, parent = done.frame, done.frames[-2]
    name, ranks = done.data
    scope = parent.scope.restrict(name, np.unique(np.array(ranks, dtype=np.uint32)))
    if scope is None:
        return refusal(lexeme, done.part)
    now = replace(done, frames=done.frames[:-1], data=("", ()))
    now = now.with_frame(
        body=parent.body.then(frame.opening).then(frame.body),
        scope=scope,
        known=parent.known | {name},
        seen=parent.seen | {name},
    )
    return asked(now, lexeme, done.part) if now.frame.in_doubt else now


def asked(progress: Progress, lexeme: Lexeme, start: int) -> Outcome:
    """The query, unless the store says that it has no solution any more."""
    if progress.frame.is_live and progress.is_satisfiable() is False:
        return refusal(lexeme, start)
    return progress


def refusal(lexeme: Lexeme, start: int) -> Refusal:
    """That the part which began at `start` is better begun anew, with something else."""
    return Refusal(start + 1, lexeme.at + len(lexeme.text.encode()), anew=True)
