"""What a query may not be, looked at before any engine sees it: long, deep, federated, an update.

Deep nesting ends a SPARQL engine's process and SERVICE makes it send requests, so both are refused
by reading the text alone. The engine's own parser has the last word on what passes.
"""

from __future__ import annotations

import re

from tether.errors import GrammarError

MOST_BYTES = 16 * 1024
MOST_NESTED = 32
MOST_PATTERNS = 64
_MOST_OPERATORS = 512

_TOKEN = re.compile(
    r'''(?P<text>"""(?:[^\\]|\\.)*?"""|\'\'\'(?:[^\\]|\\.)*?\'\'\'
          |"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
       |(?P<iri><[^<>"{}|^`\\\x00-\x20]*>)
       |(?P<comment>\#[^\n\r]*)
       |(?P<named>[?$@][\w-]+|[\w.-]*:[\w.%:\\-]*)
       |(?P<word>[A-Za-z]\w*)
       |(?P<open>[({\[])|(?P<close>[)}\]])
       |(?P<pattern>[.;,](?!\d))
       |(?P<operator>[!|&^/*+=<>-])''',
    re.VERBOSE | re.DOTALL,
)
_FORBIDDEN = {
    "SERVICE": "it would send requests to other machines",
    **dict.fromkeys(("LOAD", "INSERT", "DELETE", "CLEAR", "DROP", "CREATE", "COPY", "MOVE", "ADD"),
                    "it would change the graph"),
}  # fmt: skip


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
    depth, counts = 0, {"pattern": 0, "operator": 0}
    for token in _TOKEN.finditer(query):
        kind = str(token.lastgroup)
        if kind == "word" and token[0].upper() in _FORBIDDEN:
            reason = _FORBIDDEN[token[0].upper()]
            raise _refused(query, token, f"{token[0].upper()} is not allowed: {reason}")
        depth += (kind == "open") - (kind == "close")
        if kind in counts:
            counts[kind] += 1
        if depth > MOST_NESTED:
            raise _refused(query, token, f"it is nested more than {MOST_NESTED} deep")
        if counts["pattern"] > 2 * MOST_PATTERNS or counts["operator"] > _MOST_OPERATORS:
            raise _refused(query, token, "it has too many patterns or operators")


def _refused(query: str, token: re.Match[str], reason: str) -> GrammarError:
    line = query.count("\n", 0, token.start()) + 1
    column = token.start() - query.rfind("\n", 0, token.start())
    return GrammarError(
        f"The query is refused at line {line}, column {column}: {reason}.",
        hint="Only reading queries over this graph run: SELECT, ASK, CONSTRUCT, DESCRIBE.",
        pointer=f"{line}:{column}",
    )
