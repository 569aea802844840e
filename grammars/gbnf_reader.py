"""GBNF (llama.cpp's grammar notation) -> rules, findings and Lark text.

Read here and not by llguidance's converter, which turns rules into greedy terminals and so changes
the language. Every character becomes a terminal of its own: then greedy matching loses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tether.grammars.engine import quoted
from tether.grammars.findings import Finding
from tether.grammars.lint.messages import GBNF
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

_SPACE = re.compile(r"(?:[ \t]|#[^\n]*)*")
_SPACES = re.compile(r"(?:\s|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPE = re.compile(r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([nrt"\\\[\]]))')
_COUNT = re.compile(r"\{\s*(\d+)\s*(?:(,)\s*(\d*)\s*)?\}")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}


class _Mistake(Exception):
    """Carries the finding of a text that cannot be read further."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(slots=True)
class Grammar:
    """A GBNF text that was read: per rule its name, its shape and its Lark body."""

    rules: dict[str, Rule] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def graph(self) -> RuleGraph:
        """The rules, from root."""
        return RuleGraph("root", self.rules)


def gbnf_findings(text: str) -> list[Finding]:
    """Everything to say about a GBNF text, errors first."""
    try:
        grammar = _Reader(text).read()
    except _Mistake as mistake:
        return [mistake.finding]
    graph = grammar.graph()
    if "root" not in graph.rules:
        return [GBNF["no_root"].at(text, 0)]
    missing = list(undefined_findings(graph, text, GBNF, lambda _: "Rule"))
    found = missing or list(shape_findings(graph, text, GBNF, lambda _: "Rule"))
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda f: order[f.level])


def gbnf_to_lark(text: str) -> str:
    """The same language in the Lark dialect of llguidance, for a text without errors."""
    grammar = _Reader(text).read()
    lines = [f"{_lark_name(name)}: {body}" for name, body in grammar.bodies.items()]
    return "\n".join([f"start: {_lark_name('root')}", *lines]) + "\n"


def _lark_name(name: str) -> str:
    """A rule name of the dialect, one for one: capitals and rarer signs are written as codes."""
    coded = re.sub(r"[^a-z0-9-]", lambda m: f"_{ord(m[0]):x}_", name)
    return f"r-{coded}"


class _Reader:
    """One pass over a GBNF text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.grammar = Grammar()

    def read(self) -> Grammar:
        """All rules.

        Raises:
            _Mistake: The text is not GBNF.
        """
        self._skip(_SPACES)
        while self.at < len(self.text):
            self._rule()
            self._skip(_SPACES)
        return self.grammar

    def _rule(self) -> None:
        start = self.at
        name = self._match(_NAME)
        if not name:
            raise self._unexpected("a rule name")
        self._skip(_SPACE)
        if not self._take("::="):
            raise _Mistake(self._no_definition())
        if name in self.grammar.rules:
            line = self.grammar.lines[name]
            raise _Mistake(GBNF["duplicate"].at(self.text, start, name=name, line=line))
        self._skip(_SPACES)
        node, body = self._choice(nested=False)
        if self.at < len(self.text) and self.text[self.at] not in "\r\n":
            raise self._unexpected("the end of the line, '|', or one of \" [ ( . and a rule name")
        self.grammar.rules[name] = Rule(name, start, node)
        self.grammar.bodies[name] = body
        self.grammar.lines[name] = self.text.count("\n", 0, start) + 1

    def _no_definition(self) -> Finding:
        if self.text[self.at : self.at + 1] == ":":
            return GBNF["lark_text"].at(self.text, self.at)
        return GBNF["syntax"].at(self.text, self.at, expected="'::='")

    def _choice(self, *, nested: bool) -> tuple[Node, str]:
        nodes, bodies = [], []
        while True:
            node, body = self._sequence(nested=nested)
            nodes.append(node)
            bodies.append(body)
            if not self._take("|"):
                break
            self._skip(_SPACES)
        return Choice(tuple(nodes)), " | ".join(bodies)

    def _sequence(self, *, nested: bool) -> tuple[Node, str]:
        nodes, bodies = [], []
        space = _SPACES if nested else _SPACE
        while True:
            self._skip(space)
            item = self._item()
            if item is None:
                break
            node, body = item
            self._skip(_SPACE)
            node, body = self._repetition(node, body)
            nodes.append(node)
            bodies.append(body)
        return Sequence(tuple(nodes)), " ".join(bodies) or '""'

    def _item(self) -> tuple[Node, str] | None:
        start, char = self.at, self.text[self.at : self.at + 1]
        if char == '"':
            return self._literal()
        if char == "[":
            return Text(), self._class()
        if char == ".":
            self.at += 1
            return Text(), "/(?s:.)/"
        if char == "(":
            self.at += 1
            node, body = self._choice(nested=True)
            if not self._take(")"):
                raise self._unexpected("')', '|' or a further part")
            return node, f"({body})"
        name = self._match(_NAME)
        return (Reference(name, start), _lark_name(name)) if name else None

    def _literal(self) -> tuple[Node, str]:
        start = self.at
        self.at += 1
        chars = []
        while not self._take('"'):
            chars.append(self._char(start, "open_string"))
        body = " ".join(map(quoted, chars))
        return Text(empty=not chars), f"({body})" if len(chars) != 1 else body or '""'

    def _class(self) -> str:
        start = self.at
        self.at += 1
        negated = "^" if self._take("^") else ""
        parts: list[str] = []
        while not self._take("]"):
            low = self._char(start, "open_class")
            if (
                self.text[self.at : self.at + 1] == "-"
                and self.text[self.at + 1 : self.at + 2] != "]"
            ):
                self.at += 1
                high = self._char(start, "open_class")
                if high < low:
                    raise self._unexpected(f"a character not below {low!r}", back=1)
                parts.append(f"{_code(low)}-{_code(high)}")
            else:
                parts.append(_code(low))
        if not parts:  # [] matches nothing, [^] anything
            return "/(?s:.)/" if negated else "/[a&&b]/"
        return f"/[{negated}{''.join(parts)}]/"

    def _char(self, start: int, unclosed: str) -> str:
        char = self.text[self.at : self.at + 1]
        if char in ("", "\n"):
            raise _Mistake(GBNF[unclosed].at(self.text, start))
        if char != "\\":
            self.at += 1
            return char
        match = _ESCAPE.match(self.text, self.at)
        if not match:
            what = self.text[self.at : self.at + 2]
            raise _Mistake(GBNF["escape"].at(self.text, self.at, what=what))
        self.at = match.end()
        code = match[1] or match[2] or match[3]
        return chr(int(code, 16)) if code else _PLAIN.get(match[4], match[4])

    def _repetition(self, node: Node, body: str) -> tuple[Node, str]:
        for sign in "*+?":
            if self._take(sign):
                return (node if sign == "+" else Optional(node)), f"({body}){sign}"
        if self.text[self.at : self.at + 1] != "{":
            return node, body
        match = _COUNT.match(self.text, self.at)
        if not match:
            self.at += 1
            raise self._unexpected("counts: {m}, {m,} or {m,n}")
        self.at = match.end()
        low = int(match[1])
        high = low if not match[2] else int(match[3]) if match[3] else None
        return (Optional(node) if low == 0 else node), _repeated(body, low, high)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match[0] if match else ""

    def _take(self, text: str) -> bool:
        found = self.text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def _unexpected(self, expected: str, *, back: int = 0) -> _Mistake:
        return _Mistake(GBNF["syntax"].at(self.text, self.at - back, expected=expected))


def _repeated(body: str, low: int, high: int | None) -> str:
    if high == 0:  # the engine refuses {0}
        return '""'
    return f"({body}){{{low},{'' if high is None else high}}}"


def _code(char: str) -> str:
    """A character inside a regex class."""
    return f"\\x{{{ord(char):x}}}"
