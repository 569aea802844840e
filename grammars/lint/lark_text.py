"""Lark texts -> findings.

llguidance decides what is refused; what is here names the mistake at its place, says what would
have been accepted, and warns of what the engine takes in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from tether.grammars.findings import Finding
from tether.grammars.lint.messages import LARK
from tether.grammars.lint.rule_findings import shape_findings, undefined_findings
from tether.grammars.lint.rules import (
    Choice,
    Node,
    Optional,
    Reference,
    Rule,
    RuleGraph,
    Sequence,
    Text,
)

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

_BLANKED = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*") | (?P<comment>(?:\#|//)[^\n]*)
      | (?P<regex>/(?:\\.|[^/\\\n])+/) | (?P<json>%(?:json|regex|llguidance)\b)""",
    re.VERBOSE,
)
_WORDS = {
    "COLON": "':'",
    "RPAR": "')'",
    "RSQB": "']'",
    "RBRACE": "'}'",
    "COMMA": "','",
    "_NL": "the end of the line",
    "_OR": "'|'",
    "STRING": 'a text "..."',
    "REGEXP": "a regex /.../",
    "RULE": "a rule name",
    "TOKEN": "a TERMINAL name",
    "LPAR": "'('",
    "LSQB": "'['",
    "OPERATOR": "* + ?",
    "NUMBER": "a number",
    "PATH": "a name to import",
}


def lark_findings(text: str) -> list[Finding]:
    """Everything to say about a Lark text, errors first."""
    from tether.grammars.engine import engine_refusal, with_engine_options

    found = list(_lark_remarks(text))
    refusal = engine_refusal(with_engine_options(text))
    fatal = ("endless", "never be completed")
    if not refusal:  # the engine takes it: only what it cannot see stays an error
        found = [f for f in found if f.level != "error" or any(word in f.message for word in fatal)]
    elif not any(f.level == "error" for f in found):
        line, column, reason = refusal
        found.append(_at_line(text, line, column, reason))
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda f: order[f.level])


def _lark_remarks(text: str) -> Iterator[Finding]:
    from lark import UnexpectedInput

    blanked, broken = _blank(text)
    if broken:
        yield broken
        return
    try:
        tree = _parser().parse(blanked)
    except UnexpectedInput as error:
        yield _syntax(text, error)
        return
    yield from _duplicates(text, tree)
    graph = _graph(tree)
    if graph.start not in graph.rules:
        yield LARK["no_start"].at(text, 0)
        return
    missing = list(undefined_findings(graph, text, LARK, _kind))
    yield from missing
    yield from _terminals(text, tree, graph)
    if not missing:
        yield from shape_findings(graph, text, LARK, _kind)


@cache
def _parser() -> Lark:
    from lark import Lark

    grammar = resources.files("tether.grammars.lint").joinpath("dialect.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _blank(text: str) -> tuple[str, Finding | None]:
    """`text` with comments and inline JSON turned to blanks, offsets kept; or what broke."""
    pieces: list[str] = []
    at = 0
    while match := _BLANKED.search(text, at):
        pieces.append(text[at : match.start()])
        at = match.end()
        if match["comment"]:
            pieces.append(" " * len(match[0]))
        else:
            pieces.append(match[0])
        if match["json"]:
            try:
                end = _json_end(text, at)
            except ValueError as error:
                what = str(error).split(":")[0]
                return "", LARK["json"].at(text, match.start(), name=match[0], what=what)
            pieces.append(" " * (end - at))
            at = end
    return "".join(pieces) + text[at:] + "\n", None


def _json_end(text: str, at: int) -> int:
    begin = at + len(text[at:]) - len(text[at:].lstrip())
    _, end = json.JSONDecoder().raw_decode(text, begin)
    return end


def _syntax(text: str, error: Any) -> Finding:  # noqa: ANN401 - lark's base class has no fields
    """The most telling message for a text that does not parse."""
    at = min(error.pos_in_stream if error.pos_in_stream is not None else len(text), len(text))
    char = text[at : at + 1]
    before = text[:at]
    line = before[before.rfind("\n") + 1 :] + text[at:].split("\n")[0]
    if re.match(r"\s*[A-Za-z][\w-]*\s*::=", line):
        return LARK["gbnf_text"].at(text, at)
    for sign, name in (("'", "quote"), ('"', "open_string"), ("/", "open_regex")):
        if char == sign and (name == "quote" or type(error).__name__ == "UnexpectedCharacters"):
            return LARK[name].at(text, at)
    if char == ";":
        return LARK["semicolon"].at(text, at)
    word = re.search(r"[A-Za-z][\w-]*$", before)
    rest = re.match(r"[\w-]+", text[at:])
    name = word[0] + rest[0] if word and rest else ""
    if word and name not in (name.lower(), name.upper()):
        return LARK["name_case"].at(text, word.start(), name=name)
    return LARK["syntax"].at(text, at, expected=_expected(error))


def _expected(error: Any) -> str:  # noqa: ANN401
    names = getattr(error, "accepts", None) or getattr(error, "allowed", None) or error.expected
    words = sorted({_WORDS[name] for name in names if name in _WORDS})
    return ", ".join(words) or "nothing more"


def _graph(tree: Tree[Token]) -> RuleGraph:
    rules: dict[str, Rule] = {}
    for token, body in _definitions(tree):
        name = _name(token)
        rules.setdefault(name, Rule(name, token.start_pos or 0, _node(body)))
    imported: set[str] = set()
    for node in tree.find_data("import"):
        path, *names = map(str, node.children)
        imported.update(names or [path.split(".")[-1]])
    for name in imported - rules.keys():
        rules[name] = Rule(name, 0, Text())
    ignored = {
        str(token)
        for node in tree.find_data("ignore")
        for token in node.scan_values(lambda t: getattr(t, "type", "") in ("RULE", "TOKEN"))
    }
    return RuleGraph("start", rules, frozenset(ignored | imported))


def _definitions(tree: Tree[Token]) -> Iterator[tuple[Token, Tree[Token]]]:
    for rule in tree.find_data("rule"):
        yield rule.children[0], rule.children[-1]  # type: ignore[misc]


def _name(token: Token) -> str:
    return str(token).lstrip("!?")


def _node(tree: Any) -> Node:  # noqa: ANN401 - a lark tree or token
    """A tree of the dialect as a node of the graph."""
    kind = tree.data if hasattr(tree, "data") else ""
    if kind == "expansions":
        return Choice(tuple(_node(child) for child in tree.children))
    if kind in ("alternative", "conjunction", "sequence"):
        parts = [_node(child) for child in tree.children if hasattr(child, "data")]
        return Sequence(tuple(parts)) if kind != "alternative" else parts[0]
    if kind == "maybe":
        return Optional(_node(tree.children[0]))
    if kind == "group":
        return _node(tree.children[0])
    if kind == "repeated":
        part = next(_node(child) for child in tree.children if hasattr(child, "data"))
        return Optional(part) if _may_be_none(tree.children[-1]) else part
    if kind == "value" and hasattr(tree.children[0], "data"):
        return _node(tree.children[0])
    if kind == "name":
        token = tree.children[0]
        return Reference(str(token), token.start_pos)
    return Text(empty=kind == "value" and str(tree.children[0]).rstrip("i") == '""')


def _may_be_none(token: object) -> bool:
    text = str(token) if getattr(token, "type", "") in ("OPERATOR", "REPEAT", "COUNT") else "+"
    return text in ("*", "?") or bool(re.match(r"[~{]\s*(0|,)", text))


def _duplicates(text: str, tree: Tree[Token]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for token, _ in _definitions(tree):
        name = _name(token)
        if name in first:
            words = {"kind": _kind(name), "name": name, "line": first[name]}
            yield LARK["duplicate"].at(text, token.start_pos or 0, **words)
        first.setdefault(name, token.line or 1)


def _terminals(text: str, tree: Tree[Token], graph: RuleGraph) -> Iterator[Finding]:
    """Terminals that are no regexes, and regex operators in rules."""
    for token, body in _definitions(tree):
        name, at = _name(token), token.start_pos or 0
        if _kind(name) == "Rule":
            if any(len(node.children) > 1 for node in body.find_data("conjunction")):
                yield LARK["and_in_rule"].at(text, at, name=name)
            continue
        for reference in graph.references(_node(body)):
            if _kind(reference.name) == "Rule":
                words = {"name": name, "rule": reference.name}
                yield LARK["terminal_uses_rule"].at(text, reference.offset, **words)
        if graph.is_recursive(name):
            yield LARK["terminal_recursive"].at(text, at, name=name)


def _kind(name: str) -> str:
    return "Terminal" if name.lstrip("_")[:1].isupper() else "Rule"


def _at_line(text: str, line: int, column: int, reason: str) -> Finding:
    lines = text.split("\n")
    offset = sum(len(other) + 1 for other in lines[: line - 1]) + column - 1
    if text[offset : offset + 1] == "|":
        return LARK["comment"].at(text, offset)
    return LARK["other"].at(text, min(offset, len(text)), what=reason)
