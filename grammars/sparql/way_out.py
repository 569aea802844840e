"""A short way from any place of a query to its end, for budgets of tokens."""

from __future__ import annotations

from itertools import chain, count

from tether.grammars.guarded import GuardedMatcher
from tether.grammars.sparql import choices, lexemes
from tether.grammars.sparql.matcher import QueryMatcher
from tether.grammars.sparql.writer import Thread

_MOST_LEXEMES = 400
_FIRST = (
    lexemes.END, "CLOSE", "FILTER_END", "END", "HAVING_END", "CLOSE_PATH", "AS", "AS_S", "WHERE",
    "GROUP", "KEY", "BRACE", "STAR_T", "VAR_T", "VAR_S", "ALIAS", "BOUND_VAR", "T_SUBJECT_VAR",
    "SUBJECT_VAR", "PREDICATE", "OBJECT_VAR", "DOT", "SHOWN", "ORDER_VAR", "ORDER_VAR_T",
    "NUMBER_T", "NUMBER_S", "NUMBER_OF",
)  # fmt: skip
"""Which lexeme is taken where there is a choice; the others come last, in any order."""


def way_out(matcher: GuardedMatcher, most: int) -> list[int] | None:
    """Tokens of a short way to the end; None where this one greedy try meets a refusal.

    `most` is not looked at: the first way found is about as short as any.
    """
    assert isinstance(matcher, QueryMatcher)
    fork = matcher.fork()
    tokens: list[int] = []
    for _ in range(_MOST_LEXEMES):
        if fork.can_end:
            return tokens
        thread = fork.thread
        run = _next(thread, fork) if thread is not None else []
        if not run or fork.prefix_length(run) < len(run):
            return None
        for token in run:
            fork.advance(token)
        tokens += run
    return None


def _next(thread: Thread, matcher: QueryMatcher) -> list[int]:
    """Tokens of the lexeme that leads to the end soonest; empty where none is known."""
    if thread.place is not None:
        return _name(thread)
    allowed = thread.progress.lexemes
    order = [name for name in _FIRST if name in allowed]
    for terminal in chain(order, sorted(allowed - set(order))):
        if terminal in lexemes.NAMES and not thread.partial:
            return _name(thread._replace(terminal=terminal))
        text = _text(thread, terminal)
        if text is not None:
            return matcher.vocabulary.encode(text[len(thread.partial) :].decode())
    return []


def _name(thread: Thread) -> list[int]:
    """The tokens of the first name, or of the rest of it."""
    names = thread.progress.host.graph.names
    among = choices.names(thread.progress, thread.terminal)
    place = thread.place or names.start()
    run: list[int] = []
    while (found := names.tokens(place, among)).size:
        run.append(int(found[0]))
        after = names.step(place, run[-1])
        assert after is not None
        place = after
    return run


def _text(thread: Thread, terminal: str) -> bytes | None:
    """A text of a lexeme that begins as the one at hand."""
    texts = [text.encode() for text in lexemes.FIXED.get(terminal, ())]
    if terminal in lexemes.VARIABLES:
        texts = [_variable(thread, terminal)]
    elif terminal in lexemes.NUMBERS:
        texts = [lexemes.FREE[terminal] + b"1"]
    elif terminal in lexemes.STRINGS:
        texts = [lexemes.FREE[terminal] + b'""']
    fitting = [text for text in texts if text.startswith(thread.partial)]
    if fitting:
        return fitting[0]
    return _longer(thread, terminal)


def _longer(thread: Thread, terminal: str) -> bytes | None:
    """The free lexeme at hand, ended as soon as may be."""
    lead = lexemes.FREE.get(terminal)
    if lead is None or not thread.partial.startswith(lead):
        return None
    if terminal in lexemes.STRINGS and b'"' in thread.partial:
        return thread.partial + b'"'
    body = thread.partial[len(lead) :]
    if terminal in lexemes.VARIABLES and body[:1] == b"?":
        found = choices.variables(thread.progress, terminal)
        named = (name.encode() for name in sorted(found.named, key=len))
        fresh = (body[1:] + str(n).encode() for n in count(1)) if found.fresh else iter(())
        fits = (
            n for n in chain(named, fresh) if n.startswith(body[1:]) and found.allow(n.decode())
        )
        name = next(fits, None)
        return None if name is None else lead + b"?" + name
    if terminal in lexemes.NUMBERS and body[:1] in b"-0123456789":
        return thread.partial + b"1"
    return None


def _variable(thread: Thread, terminal: str) -> bytes:
    """A variable, best one that has yet to be bound."""
    found = choices.variables(thread.progress, terminal)
    wanted = sorted(name for name in choices.unmet(thread.progress) if found.allow(name))
    fresh = (f"x{n or ''}" for n in count()) if found.fresh else iter(())
    name = next(n for n in chain(wanted, sorted(found.named, key=len), fresh) if found.allow(n))
    return lexemes.FREE[terminal] + b"?" + name.encode()
