"""Every message of the tables, provoked by its own examples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

import pytest

from tether.errors import SchemaError
from tether.grammars.findings import Finding, excerpt, place
from tether.grammars.gbnf_reader import gbnf_findings
from tether.grammars.json_schema import schema_findings
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.grammars.json_schema.short import parse_short
from tether.grammars.json_schema.walk import resolve
from tether.grammars.lint.lark_text import lark_findings
from tether.grammars.lint.messages import GBNF, LARK, REGEX, SHORT, Message
from tether.grammars.lint.regex_text import regex_findings


def short_findings(text: str) -> list[Finding]:
    try:
        parse_short(text)
    except SchemaError as error:
        pointer = error.pointer or ""
        return [Finding("error", pointer, error.message, error.hint, error.excerpt)]
    return []


TABLES: list[tuple[str, Mapping[str, Message], Callable[[str], list[Finding]]]] = [
    ("regex", REGEX, regex_findings),
    ("lark", LARK, lark_findings),
    ("gbnf", GBNF, gbnf_findings),
    ("short", SHORT, short_findings),
    ("schema", SCHEMA, schema_findings),
]


def cases() -> Iterator[object]:
    for table, messages, find in TABLES:
        for name, message in messages.items():
            for text in message.examples:
                yield pytest.param(message, text, find, id=f"{table}-{name}-{text[:20]!r}")


def shape(text: str) -> str:
    """A message's text as a pattern: any words in its places."""
    parts = [
        re.escape(p.replace("{{", "{").replace("}}", "}"))
        for p in re.split(r"(?<!\{)\{\w+(?:!r)?\}(?!\})", text)
    ]
    return "(?s:.*)".join(parts)


@pytest.mark.parametrize(("message", "text", "find"), list(cases()))
def test_each_example_provokes_its_message(
    message: Message, text: str, find: Callable[[str], list[Finding]]
) -> None:
    found = find(text)
    mine = [f for f in found if re.fullmatch(shape(message.text), f.message)]
    assert mine, [f.message for f in found]
    assert mine[0].level == message.level
    if message.level == "error":
        assert found[0] is mine[0]
    assert re.fullmatch(shape(message.hint), mine[0].hint)


@pytest.mark.parametrize(("message", "text", "find"), list(cases()))
def test_each_finding_points_into_the_text(
    message: Message, text: str, find: Callable[[str], list[Finding]]
) -> None:
    for finding in find(text):
        if find is schema_findings:
            assert resolve(json.loads(text), finding.pointer.rpartition("/")[0]) is not None
            continue
        line, column = map(int, finding.pointer.split(":"))
        lines = (text + " ").split("\n")
        assert 1 <= line <= len(lines) + 1
        assert column <= len(lines[min(line, len(lines)) - 1]) + 1
        assert finding.excerpt.endswith("^")


@pytest.mark.parametrize(("table", "messages"), [(name, table) for name, table, _ in TABLES])
def test_each_message_has_an_example(table: str, messages: Mapping[str, Message]) -> None:
    without = {name for name, message in messages.items() if not message.examples}
    assert without <= {"other"}, table


GOOD_LARK = [
    'start: "a"\n',
    '%llguidance {}\n\nstart: a | B\na: B ~ 2..3 | B{2,} [B]  # comment\nB: /x+/ & ~/xx/ | "y"i\n',
    "%import common.INT\n%import common (WS, CNAME)\n%ignore WS\nstart: INT CNAME\n",
    'start:\n  | "a"\n\n  | ("b" | "c")* -> name\n',
    "start: x\nx[capture, max_tokens=3]: /a*/\n",
    'start: %json {\n  "type": "object", "x": "%json {"\n} "y"\n',
    'start: p::0x0\np::_: "" %if is_ones([0:2])\n  | "a" p::set_bit(0) %if bit_clear(0)\n'
    '  | "b" p::set_bit(1) %if bit_clear(1)\n',
    '?start: _a\n_a: "a".."z" /[#]/ "//"\n',
]


@pytest.mark.parametrize("text", GOOD_LARK)
def test_good_lark_texts_have_no_findings(text: str) -> None:
    assert lark_findings(text) == []


GOOD_GBNF = [
    'root ::= "a"',
    '# c\nroot ::= (\n  item  # one\n  | "x"\n)+\nitem ::= [a-zA-Z_-] "\\"" | .{2,} |\n  "z"?\n',
    'root ::= Big-Name{3} [^\\n\\x41\\u00e9\\U0001F600]*\nBig-Name ::= | "b" Big-Name\n',
]


@pytest.mark.parametrize("text", GOOD_GBNF)
def test_good_gbnf_texts_have_no_findings(text: str) -> None:
    assert gbnf_findings(text) == []


@pytest.mark.parametrize(
    "pattern", ["", "^a$", "a|", "(?i)x", "(?P<n>a)+?", r"\p{L}[^\]\\]{2,}", "é/"]
)
def test_good_regexes_have_no_findings(pattern: str) -> None:
    assert regex_findings(pattern) == []


def test_the_caret_stands_under_its_place() -> None:
    text = "one\n\ttwo three\n"
    assert place(text, text.index("three")) == (2, 6)
    assert excerpt(text, 2, 6) == "  2 | \ttwo three\n      \t    ^"
    assert excerpt("", 1, 1).endswith("^")
