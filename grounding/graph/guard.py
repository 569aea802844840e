"""What a query may not be, looked at before any engine sees it: long, deep, federated, an update.

Deep nesting ends a SPARQL engine's process and SERVICE makes it send requests, so both are refused
by reading the text alone. The engine's own parser has the last word on what passes.
"""

from __future__ import annotations

import re
from collections import Counter

from tether.errors import GrammarError
from tether.grounding.graph.terms import FEDERATION

MOST_BYTES = 16 * 1024
MOST_NESTED = 32
MOST_PATTERNS = 64

_MOST = {"pattern": 2 * MOST_PATTERNS, "open": 256, "operator": 512}
"""Of each kind of sign; a pattern ends with `;` or `.`, a group with both."""

_TOKEN = re.compile(
    r'''(?P<text>"""(?:[^\\]|\\.)*?"""|\'\'\'(?:[^\\]|\\.)*?\'\'\'
          |"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
       |(?P<iri><[^<>"{}|^`\\\x00-\x20]*>)
       |(?P<comment>\#[^\n\r]*)
       |(?P<named>[?$]\w+|@[\w-]+|:(?:[\w.:-]|%[0-9A-Fa-f]{2}|\\[^uU])*)
       |(?P<word>[A-Za-z][\w.-]*)
       |(?P<escape>\\[uU])
       |(?P<open>[({\[])|(?P<close>[)}\]])
       |(?P<pattern>;|\.(?!\d))
       |(?P<operator>[!|&^/*+=<>,-])''',
    re.VERBOSE | re.DOTALL,
)
_UPDATES = {"LOAD", "INSERT", "DELETE", "CLEAR", "DROP", "CREATE", "COPY", "MOVE", "ADD", "WITH"}


def check(query: str) -> None:
    """Refuse a text that no engine may see.

    Raises:
        GrammarError: It is too long, too deeply nested or has too many patterns, or it holds
            SERVICE or a word of an update; the pointer is `line:column`.
    """
    if len(query.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise GrammarError(
            f"The query has more than {MOST_BYTES // 1024} KiB.", hint="Ask a shorter question."
        )
    depth, counts = 0, Counter[str]()
    for token in _TOKEN.finditer(query):
        kind = str(token.lastgroup)
        if kind in ("word", "escape"):
            _check_word(query, token)
        depth += (kind == "open") - (kind == "close")
        counts[kind] += 1
        if depth > MOST_NESTED:
            raise _refused(query, token, f"it is nested more than {MOST_NESTED} deep")
        if counts[kind] > _MOST.get(kind, MOST_BYTES):
            raise _refused(query, token, "it has too many patterns, brackets or operators")


def _check_word(query: str, token: re.Match[str]) -> None:
    """Refuse SERVICE wherever letters stand: engines without a lexer find it in `trueSERVICE` too.

    So a prefix may not hold it either, but behind a `_`; what follows the colon of a name may.
    """
    word = token[0].upper()
    if FEDERATION.search(word) or "\\" in word:
        raise _refused(query, token, "SERVICE would ask other machines")
    if word in _UPDATES and query[token.end() : token.end() + 1] != ":":
        raise _refused(query, token, f"{word} would change the graph")


def _refused(query: str, token: re.Match[str], reason: str) -> GrammarError:
    line = query.count("\n", 0, token.start()) + 1
    column = token.start() - query.rfind("\n", 0, token.start())
    return GrammarError(
        f"The query is refused at line {line}, column {column}: {reason}.",
        hint="Only reading queries over this graph run: SELECT, ASK, CONSTRUCT, DESCRIBE.",
        pointer=f"{line}:{column}",
    )
