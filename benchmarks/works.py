"""What engines are asked to hold a model to: schemas, regexes and grammars, with prompts.

The JSON works are documents of the shipped model's generator with names it was not trained on,
each schema asked of several documents of its domain. Every rule is a plain one that all engines
read alike; a grammar stands here in both notations that are in use.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import lark
from schemas import Schema

from tether.decoding.builtin.generator.example import Example, Split
from tether.decoding.builtin.generator.json_task import make_json
from tether.decoding.prompt import Prompt
from tether.grammars.json_schema.oracle import Oracle

Kind = Literal["json", "regex", "grammar"]


@dataclass(frozen=True)
class Work:
    """One rule and what is said under it.

    Attributes:
        kind: How the rule is written.
        rule: A schema as JSON, a regex, or a grammar in Lark's notation.
        gbnf: The same grammar as GBNF; empty for other kinds.
        prompts: What is asked.
    """

    name: str
    kind: Kind
    rule: str
    prompts: tuple[Prompt, ...]
    gbnf: str = ""

    @property
    def schema(self) -> Schema:
        """The rule of a JSON work."""
        schema: Schema = json.loads(self.rule)
        return schema

    def allows(self, text: str) -> bool:
        """Whether a text keeps the rule, by a judge that no engine here uses to write.

        JSON is judged by jsonschema-rs (formats asserted, no key twice), the others by `re` and
        by lark's Earley parser.
        """
        if self.kind == "json":
            return not self._oracle.complaint(text)
        if self.kind == "regex":
            return re.fullmatch(self.rule, text) is not None
        try:
            self._parser.parse(text)
        except lark.exceptions.LarkError:
            return False
        return True

    @cached_property
    def _oracle(self) -> Oracle:
        return Oracle(self.schema)

    @cached_property
    def _parser(self) -> lark.Lark:
        return lark.Lark(self.rule, parser="earley", lexer="dynamic")


def extractions(count: int, documents: int) -> Iterator[Work]:
    """`count` schemas, each with so many documents of its domain."""
    split = Split("test", 0.0)
    for number in range(count):
        rng = random.Random(f"peers {number}")
        first = make_json(rng, split)
        others = [make_json(rng, split, kind=first.kind) for _ in range(documents - 1)]
        schema = first.schema or {}
        fields = _fields(first)
        prompts = tuple(Prompt(example.text, fields=fields) for example in (first, *others))
        yield Work(f"{first.kind} {number}", "json", json.dumps(schema), prompts)


def _fields(example: Example) -> str:
    """The short schema line, as the prompt of the document has it."""
    found = re.search(r"<\|json\|>(.*?)<\|out", example.prompt, re.DOTALL)
    assert found is not None, "a prompt of the JSON task has a schema line"
    return found.group(1)


REGEXES = {
    "date": r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    "mail": r"[a-z]{1,12}(\.[a-z]{1,12})?@[a-z]{2,12}\.(com|org|net)",
    "version": r"v[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,3}(-(alpha|beta|rc)[0-9])?",
    "colour": r"#[0-9a-f]{6}",
    "amount": r"(EUR|USD|GBP) [1-9][0-9]{0,5}\.[0-9]{2}",
    "time": r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z",
    "address": r"[A-Z][a-z]{2,14} [1-9][0-9]{0,2}, [0-9]{5} [A-Z][a-z]{2,14}",
    "answer": r"(yes|no|unknown), because [a-z]{2,10}( [a-z]{2,10}){2,6}\.",
}

_SUM = r"""start: term (("+" | "-") term)~0..5
term: factor (("*" | "/") factor)~0..2
factor: NUMBER | "(" NUMBER ("+" | "-") NUMBER ")"
NUMBER: /[1-9][0-9]{0,3}/
"""
_SUM_GBNF = r"""root ::= term (("+" | "-") term){0,5}
term ::= factor (("*" | "/") factor){0,2}
factor ::= number | "(" number ("+" | "-") number ")"
number ::= [1-9] [0-9]{0,3}
"""
_SELECT = r"""start: "SELECT " columns " FROM " NAME where?
columns: "*" | NAME (", " NAME)~0..3
where: " WHERE " test (" AND " test)~0..2
test: NAME (" = " | " < " | " > ") NUMBER
NAME: /[a-z]{2,10}/
NUMBER: /[1-9][0-9]{0,3}/
"""
_SELECT_GBNF = r"""root ::= "SELECT " columns " FROM " name where?
columns ::= "*" | name (", " name){0,3}
where ::= " WHERE " test (" AND " test){0,2}
test ::= name (" = " | " < " | " > ") number
name ::= [a-z]{2,10}
number ::= [1-9] [0-9]{0,3}
"""
_LIST = r"""start: "(" item (" " item)~0..4 ")"
item: WORD | "(" WORD (" " WORD)~0..3 ")"
WORD: /[a-z]{1,8}/
"""
_LIST_GBNF = r"""root ::= "(" item (" " item){0,4} ")"
item ::= word | "(" word (" " word){0,3} ")"
word ::= [a-z]{1,8}
"""
GRAMMARS = {
    "sum": (_SUM, _SUM_GBNF),
    "select": (_SELECT, _SELECT_GBNF),
    "list": (_LIST, _LIST_GBNF),
}


def patterns(documents: int) -> Iterator[Work]:
    """A regex each."""
    for name, rule in REGEXES.items():
        yield Work(name, "regex", rule, _asks(name, documents))


def grammars(documents: int) -> Iterator[Work]:
    """A grammar each."""
    for name, (rule, gbnf) in GRAMMARS.items():
        yield Work(name, "grammar", rule, _asks(name, documents), gbnf)


def _asks(name: str, count: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(f"Row {n}: please write one {name} that fits.") for n in range(count))
