"""How the lexemes of `guided.lark` are spelt: fixed texts, names, variables, numbers, strings.

Each lexeme owns the space before it; those whose name ends in `_T` stand tight behind a bracket.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

_KEPT_PLACES = 4096
END = "$END"
"""What lark calls the end of the text."""

_FUNCTIONS = ("STR(", "LCASE(", "UCASE(", "STRLEN(", "LANG(", "YEAR(", "MONTH(", "DAY(", "ABS(")
_TESTS_1 = ("BOUND(", "isIRI(", "isLiteral(", "isNumeric(", "!BOUND(")
_TESTS_2 = ("CONTAINS(", "STRSTARTS(", "STRENDS(", "REGEX(", "LANGMATCHES(")
_MEASURES = ("SUM(", "AVG(", "MIN(", "MAX(", "SAMPLE(")
_XSD = ("date", "dateTime", "decimal", "integer", "gYear")


def _after(lead: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(lead + text for text in texts)


FIXED: dict[str, tuple[str, ...]] = {
    "SELECT": ("SELECT",), "SUB_SELECT": (" SELECT",), "DISTINCT": (" DISTINCT",),
    "STAR": (" *",), "AGGREGATE": _after(" (", _MEASURES), "COUNT": (" (COUNT(",),
    "AGGREGATE_T": _after(" ", _MEASURES), "COUNT_T": (" COUNT(",), "DISTINCT_T": ("DISTINCT",),
    "STAR_T": ("*",), "AS": (") AS",), "AS_S": (" AS",), "END": (")",), "WHERE": (" WHERE {",),
    "CLOSE": (" }",), "ASK": ("ASK {",), "CONSTRUCT": ("CONSTRUCT {",), "DESCRIBE": ("DESCRIBE",),
    "DOT": (" .",), "SEMICOLON": (" ;",), "COMMA": (" ,",), "BAR": (" |",), "SLASH": (" /",),
    "INVERSE": (" ^",), "OPEN_PATH": (" (",), "CLOSE_PATH": (" )",), "MOD": ("+", "*", "?"),
    "OPTIONAL": (" OPTIONAL {",), "OPEN": (" {",), "UNION": (" } UNION {",),
    "MINUS": (" MINUS {",), "EXISTS": (" FILTER EXISTS {",),
    "NOT_EXISTS": (" FILTER NOT EXISTS {",), "GRAPH": (" GRAPH",), "BRACE": (" {",),
    "VALUES": (" VALUES",), "FILTER": (" FILTER(",), "FILTER_END": (")",), "BIND": (" BIND(",),
    "AND": (" &&",), "OR": (" ||",), "COMPARE": (" =", " !=", " <", " >", " <=", " >="),
    "IN": (" IN (",), "COMMA_T": (",",), "TEST_1_T": _TESTS_1, "TEST_1_S": _after(" ", _TESTS_1),
    "TEST_2_T": _TESTS_2, "TEST_2_S": _after(" ", _TESTS_2), "FUNCTION_T": _FUNCTIONS,
    "FUNCTION_S": _after(" ", _FUNCTIONS), "DATATYPE": _after("^^xsd:", _XSD),
    "GROUP": (" GROUP BY",), "HAVING": (" HAVING (",), "HAVING_END": (")",),
    "ORDER": (" ORDER BY",), "DIRECTION": (" DESC(", " ASC("), "LIMIT": (" LIMIT",),
    "OFFSET": (" OFFSET",),
}  # fmt: skip
"""Terminal -> its texts."""

NAMES = frozenset(
    ["SUBJECT", "PREDICATE", "OBJECT", "GRAPH_NAME", "DATUM", "TERM", "DESCRIBED", "T_SUBJECT",
     "T_PREDICATE", "T_OBJECT"]
)  # fmt: skip
"""Terminals that are names of the graph."""

VARIABLES = frozenset(
    ["SHOWN", "VAR_T", "VAR_S", "ALIAS", "T_SUBJECT_VAR", "T_OBJECT_VAR", "SUBJECT_VAR",
     "OBJECT_VAR", "PREDICATE_VAR", "GRAPH_VAR", "DATA_VAR", "BOUND_VAR", "KEY", "ORDER_VAR",
     "ORDER_VAR_T"]
)  # fmt: skip
NUMBERS = frozenset(["NUMBER_T", "NUMBER_S", "NUMBER_OF"])
STRINGS = frozenset(["STRING_T", "STRING_S"])
FREE = {name: b"" if name.endswith("_T") else b" " for name in (*VARIABLES, *NUMBERS, *STRINGS)}
"""Terminals whose text is free -> what stands before it."""


class Syntax:
    """Where a text of lexemes stands in `guided.lark`; a value, equal where the same may follow."""

    def __init__(self, parser: Any) -> None:  # noqa: ANN401 - lark types it only in part
        self._parser = parser
        self._stack: tuple[int, ...] = tuple(parser.parser_state.state_stack)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same states open."""
        return isinstance(other, Syntax) and self._stack == other._stack

    def __hash__(self) -> int:
        """Of the states."""
        return hash(self._stack)

    @cached_property
    def accepts(self) -> frozenset[str]:
        """The terminals that may follow, `$END` among them where the text may end."""
        return frozenset(self._parser.accepts())

    def after(self, terminal: str) -> Syntax:
        """The same with one more terminal, which it accepts."""
        return _following(self, terminal)


@lru_cache(maxsize=_KEPT_PLACES)
def _following(syntax: Syntax, terminal: str) -> Syntax:
    from lark import Token

    parser = syntax._parser.copy(deepcopy_values=False)
    parser.feed_token(Token(terminal, ""))
    return Syntax(parser)


@lru_cache(maxsize=1)
def start() -> Syntax:
    """Before the first lexeme."""
    from lark import Lark

    text = files(__package__).joinpath("guided.lark").read_text(encoding="utf-8")
    declared = " ".join(sorted({*FIXED, *NAMES, *FREE}))
    grammar = Lark(f"{text}\n%declare {declared}\n", parser="lalr", lexer="basic")
    return Syntax(grammar.parse_interactive())
