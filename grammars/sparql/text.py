"""SPARQL text -> tree: what a user or a model wrote, under limits of size.

Engines of queries crash on what is nested deeply and stall on what is long (oxigraph 0.5.13 dies
of 5,000 nested brackets), so that a text is measured before it is parsed, by us too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from tether.errors import GrammarError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.common import LexerConf
    from lark.lexer import ContextualLexer

MOST_BYTES = 16 * 1024
"""Bytes of a query."""
MOST_DEPTH = 32
"""Brackets of any kind that are open at once."""
MOST_PATTERNS = 64
"""Triple patterns of a query, and likewise operators of any one kind."""

_CODEPOINT = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_MARK = re.compile(
    r"""
    \"{3} (?: [^"\\] | \\. | "(?!"") )* \"{3}  |  '{3} (?: [^'\\] | \\. | '(?!'') )* '{3}
    | " (?: [^"\\\n\r] | \\. )* "  |  ' (?: [^'\\\n\r] | \\. )* '
    | < [^\x00-\x20<>"{}|^`\\]* >  |  \\.  |  \# [^\n\r]*
    | (?P<bracket> [()\[\]{}] )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Brackets, and what may hold some that are none: strings, IRIs, escapes and comments."""


def grammar_text(variant: Literal["read", "write"]) -> str:
    """`sparql.lark` without the lines of the other variant."""
    other = {"read": "[write]", "write": "[read]"}[variant]
    lines = files(__package__).joinpath("sparql.lark").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.endswith(other)) + "\n"


def prefixed(prefixes: Iterable[str]) -> str:
    """The `[write]` variant with these prefixes; `[A-Za-z][A-Za-z0-9_-]*` or nothing each."""
    union = " | ".join(f'"{prefix}:"' for prefix in prefixes)
    return f"{grammar_text('write')}PNAME_NS: {union}\n"


@lru_cache(maxsize=8)
def parse(text: str) -> Tree[Token]:
    """The tree of a query, with its escapes of codepoints read. It is shared: do not change it.

    Raises:
        GrammarError: It is no SPARQL 1.1 query, or larger than the limits; with line and column.
    """
    from lark.exceptions import UnexpectedInput

    text = unescaped(text)
    check_size(text)
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None
    _check_count(tree)
    return tree


def unescaped(text: str) -> str:
    r"""The text with `\uXXXX` and `\UXXXXXXXX` replaced, as the standard's section 19.2 asks.

    Raises:
        GrammarError: One of them is no character.
    """

    def character(match: re.Match[str]) -> str:
        code = int(match[1] or match[2], 16)
        if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            raise GrammarError(
                f"{match[0]} in the query is no character.", hint="Write the character itself."
            )
        return chr(code)

    return _CODEPOINT.sub(character, text)


def check_size(text: str) -> None:
    """Refuse what is too long or nested too deeply to be parsed safely.

    Raises:
        GrammarError: It is.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise GrammarError(f"The query is longer than {MOST_BYTES} bytes.", hint="Shorten it.")
    depth = 0
    for mark in _MARK.finditer(text):
        if mark["bracket"]:
            depth += 1 if mark["bracket"] in "([{" else -1
        if depth > MOST_DEPTH:
            raise GrammarError(
                f"The query has more than {MOST_DEPTH} brackets open at once.",
                hint="Nest less deeply.",
            )


@lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    plugins = {"ContextualLexer": _lexer()}
    grammar = grammar_text("read")
    return Lark(grammar, parser="lalr", propagate_positions=True, _plugins=plugins)


def _lexer() -> type[ContextualLexer]:
    """The lexer of lark without its look for terminals that collide.

    Where interegular is installed (lm-format-enforcer brings it), lark 1.3.1 compares all terminals
    by it, unasked; over SPARQL's character ranges that takes gigabytes and does not end.
    """
    from lark.lexer import ContextualLexer

    class Lexer(ContextualLexer):
        def __init__(self, conf: LexerConf, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            conf.skip_validation = True
            super().__init__(conf, *args, **kwargs)

    return Lexer


def _check_count(tree: Tree[Token]) -> None:
    """Count what makes engines slow, without recursion."""
    counts: dict[str, int] = {}
    for node in tree.iter_subtrees():
        more = len(node.children) if node.data in _LISTS else 1
        counts[node.data] = counts.get(node.data, 0) + more
    for kind, name in _COUNTED.items():
        if counts.get(kind, 0) > MOST_PATTERNS:
            raise GrammarError(f"The query has more than {MOST_PATTERNS} {name}.", hint="Split it.")


_LISTS = frozenset(["object_list", "object_list_path", "expression", "conditional_and", "additive"])
_COUNTED = {
    "object_list": "triples",
    "object_list_path": "triple patterns",
    "group_graph_pattern": "groups",
    "expression": "alternatives in its conditions",
    "conditional_and": "conditions",
    "additive": "sums",
    "path_primary": "steps of paths",
    "built_in_call": "calls of functions",
}


def _unexpected(error: Exception, text: str) -> GrammarError:
    """What lark met, as one sentence with a caret."""
    line, column = getattr(error, "line", -1), getattr(error, "column", -1)
    token = getattr(error, "token", None)
    if (token is not None and token.type == "$END") or line < 1:
        return GrammarError("The query stops before it is complete.", hint=_SYNTAX)
    found = repr(str(token)) if token is not None else repr(getattr(error, "char", "this"))
    return GrammarError(
        f"No query of SPARQL 1.1 goes on with {found} at line {line}, column {column}.",
        hint=_SYNTAX,
        pointer=f"{line}:{column}",
        excerpt=f"{text.splitlines()[line - 1]}\n{' ' * (column - 1)}^",
    )


_SYNTAX = "Only queries are taken (SELECT, ASK, CONSTRUCT, DESCRIBE), no updates."
