"""What each lexeme does to a query: what its head promises, terms, steps of paths, triples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tether.grammars.guarded import Refusal
from tether.grammars.sparql.frame import NOTHING, Asked, Head
from tether.grammars.sparql.groups import Outcome, asked, brace, close, open_group, union, where
from tether.grammars.sparql.lookup import Term, Triple, Variable
from tether.grammars.sparql.progress import Path, Progress
from tether.grammars.sparql.said import Lexeme

_LIST = frozenset(
    ["SHOWN", "AGGREGATE", "COUNT", "KEY", "ORDER_VAR", "DIRECTION", "DATUM", "AND", "OR",
     "COMMA_T", "DESCRIBED", "T_SUBJECT", "T_SUBJECT_VAR", "FUNCTION_T", "FUNCTION_S"]
)  # fmt: skip
"""Lexemes that begin a member of a list."""
_NEW_LIST = frozenset(["WHERE", "GROUP", "ORDER", "VALUES", "FILTER", "SELECT", "SUB_SELECT"])


def feed(progress: Progress, lexeme: Lexeme) -> Outcome:
    """The query with one more lexeme, which its `lexemes` hold, or why that cannot be."""
    run = 0 if lexeme.terminal in _NEW_LIST else progress.run + (lexeme.terminal in _LIST)
    tail = progress.tail.then(_asked(progress, lexeme))
    now = replace(progress, syntax=progress.syntax.after(lexeme.terminal), run=run, tail=tail)
    action = _ACTIONS.get(lexeme.terminal)
    return action(now, lexeme) if action else now


_PATH = frozenset(["PREDICATE", "INVERSE", "SLASH", "BAR", "OPEN_PATH", "CLOSE_PATH"])


def _asked(progress: Progress, lexeme: Lexeme) -> Asked:
    """What the store is to see of a lexeme."""
    if not progress.frames:
        return NOTHING
    if progress.is_exact:
        return Asked(lexeme.text, lexeme.text)
    if lexeme.terminal == "MOD":
        return NOTHING
    path = progress.path
    ends = lexeme.terminal == "CLOSE_PATH" and path.aside == path.depth
    is_aside = lexeme.terminal == "BAR" or (path.aside is not None and lexeme.terminal in _PATH)
    return Asked(lexeme.text, "" if is_aside and not ends else lexeme.text)


def _ask(progress: Progress, lexeme: Lexeme) -> Outcome:
    return where(progress.with_head(is_ask=True), lexeme)


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


def _values_variable(progress: Progress, lexeme: Lexeme) -> Outcome:
    return replace(progress, data=(lexeme.variable, ()))


def _datum(progress: Progress, lexeme: Lexeme) -> Outcome:
    name, ranks = progress.data
    return replace(progress, data=(name, (*ranks, lexeme.rank)))


def _graph_variable(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_frame(seen=progress.frame.seen | {lexeme.variable})


def _part(progress: Progress, lexeme: Lexeme) -> Outcome:
    """The beginning of a FILTER, BIND, VALUES or GRAPH."""
    return replace(progress, part=lexeme.at)


def _told(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_head(is_told=True)


def _dropping(progress: Progress, lexeme: Lexeme) -> Outcome:
    return progress.with_head(may_drop=True)


def _filtered(progress: Progress, lexeme: Lexeme) -> Outcome:
    now = progress.settled().with_frame(in_doubt=True)
    return asked(now, lexeme, progress.part)


def _bound(progress: Progress, lexeme: Lexeme) -> Outcome:
    frame, name = progress.frame, {lexeme.variable}
    return progress.with_frame(seen=frame.seen | name, maybe=frame.maybe | name)


def _subject(progress: Progress, lexeme: Lexeme) -> Outcome:
    return replace(progress, subject=lexeme.term, triple=Triple(lexeme.term), path=Path())


def _inverse(progress: Progress, lexeme: Lexeme) -> Outcome:
    if progress.path.aside is not None:
        return progress
    triple = Triple(None, None, progress.triple.subject)
    return replace(progress, triple=triple, path=replace(progress.path, is_inverse=True))


def _predicate(progress: Progress, lexeme: Lexeme) -> Outcome:
    path = replace(progress.path, steps=progress.path.steps + 1, inner=False)
    now = replace(progress, path=path)
    if progress.path.aside is not None:
        return now
    return replace(now, triple=now.triple._replace(predicate=lexeme.term))


def _bar(progress: Progress, lexeme: Lexeme) -> Outcome:
    if progress.path.aside is not None:
        return progress
    return replace(progress, path=replace(progress.path, aside=progress.path.depth))


def _open_path(progress: Progress, lexeme: Lexeme) -> Outcome:
    path = progress.path
    path = replace(path, depth=path.depth + 1, repeats=(*path.repeats, False))
    return replace(progress, path=path)


def _close_path(progress: Progress, lexeme: Lexeme) -> Outcome:
    path = progress.path
    aside = None if path.aside == path.depth else path.aside
    *repeats, inner = path.repeats
    path = replace(path, depth=path.depth - 1, aside=aside, repeats=tuple(repeats), inner=inner)
    return replace(progress, path=path)


def _repeat(progress: Progress, lexeme: Lexeme) -> Outcome:
    repeats = (True,) * len(progress.path.repeats)
    return replace(progress, path=replace(progress.path, repeats=repeats))


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
    named = _variables(progress.subject, *triple)
    now = progress.settled().with_frame(
        in_doubt=frame.in_doubt or bool(named & progress.loose),
        maybe=frame.maybe - named,
        scope=scope,
        known=frame.known | _variables(*triple),
        seen=frame.seen | _shown_of(named),
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
    "ASK": _ask, "CONSTRUCT": _told, "DESCRIBE": _told, "SUB_SELECT": _sub_select,
    "STAR": _star, "SHOWN": _shown, "HAVING": _dropping, "OFFSET": _dropping,
    "T_SUBJECT_VAR": _constructed, "T_OBJECT_VAR": _constructed, "ALIAS": _alias,
    "VAR_T": _inner, "VAR_S": _inner, "KEY": _key, "GROUP": _grouped, "WHERE": where,
    "OPTIONAL": open_group("optional"), "OPEN": open_group("group"), "MINUS": open_group("minus"),
    "EXISTS": open_group("exists"), "NOT_EXISTS": open_group("not_exists"), "UNION": union,
    "CLOSE": close, "DATA_VAR": _values_variable, "BRACE": brace, "DATUM": _datum,
    "GRAPH_VAR": _graph_variable, "GRAPH": _part, "VALUES": _part, "FILTER": _part,
    "BIND": _part, "FILTER_END": _filtered, "BOUND_VAR": _bound, "SUBJECT": _subject,
    "SUBJECT_VAR": _subject, "INVERSE": _inverse, "PREDICATE": _predicate,
    "PREDICATE_VAR": _predicate, "BAR": _bar, "OPEN_PATH": _open_path,
    "CLOSE_PATH": _close_path, "MOD": _repeat, "SLASH": _slash, "OBJECT": _object,
    "OBJECT_VAR": _object, "SEMICOLON": _semicolon,
}  # fmt: skip
