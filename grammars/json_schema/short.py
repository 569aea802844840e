"""The short schema syntax: `name, age int 0..130, tags [str], kind a|b, note?` -> JSON Schema.

    fields  field ("," | line break) field ...
    field   name ["?" may be absent] [type ["?" may be null]] [description]
    type    str (default) int num bool date time datetime email uri uuid any
            a|b|"c d"|3|null    one of these values; of type names, one of these types
            [type]              a list        {fields}    an object
    range   0..130  0..  ..5    after int and num: values; str: characters; [type]: items
    description  "quoted", or ": text" up to the next comma, line or bracket

Every object is closed to other keys and keeps the order of its fields.
"""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import Any

from tether.errors import SchemaError
from tether.grammars.json_schema.short_words import PLAIN_NAME, TYPES
from tether.grammars.json_schema.to_short import to_short
from tether.grammars.lint.messages import SHORT

__all__ = ["parse_short", "to_short"]

_OTHER_NAMES = {
    "string": "str",
    "text": "str",
    "integer": "int",
    "number": "num",
    "float": "num",
    "boolean": "bool",
    "date-time": "datetime",
    "url": "uri",
    "list": "[str]",
    "array": "[str]",
    "object": "{...}",
    "dict": "{...}",
}
_SPACES = re.compile(r"[ \t]*")
_BREAKS = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)?\.\.(-?\d+(?:\.\d+)?)?")
_TEXT = re.compile(r"[^,\n\r\]}]*")
_WORD = re.compile(r"[^\s,|\[\]{}?:\"]+")


def parse_short(text: str) -> dict[str, Any]:
    """The JSON Schema of a text in the short syntax.

    Raises:
        SchemaError: The text is not in the syntax; with line, column, caret and cure.
    """
    return _Reader(text).read()


class _Reader:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> dict[str, Any]:
        """The whole text as an object's fields."""
        return self._fields(closing="")

    def _fields(self, closing: str) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        start = self.at
        self._skip(_BREAKS)
        while not self._at_end(closing):
            name_at = self.at
            name = self._name()
            if name in properties:
                raise self._error("duplicate", name_at, name=name)
            optional = self._take("?")
            properties[name] = self._rest_of_field()
            required += [] if optional else [name]
            self._separator(closing)
        if not properties:
            raise self._error("empty", start)
        schema = {"type": "object", "properties": properties}
        return {
            **schema,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _at_end(self, closing: str) -> bool:
        return self.at >= len(self.text) or bool(closing and self._peek() == closing)

    def _name(self) -> str:
        if self._peek() == '"':
            return self._string()
        match = PLAIN_NAME.match(self.text, self.at)
        if not match:
            raise self._error("name", self.at, what=self._what())
        self.at = match.end()
        return match[0]

    def _rest_of_field(self) -> dict[str, Any]:
        self._skip(_SPACES)
        schema = dict(TYPES["str"])
        described = self._peek() == '"' and not self._is_choice()
        if not described and self._peek() not in ("", ",", "\n", "\r", "]", "}", ":"):
            schema = self._type()
            self._skip(_SPACES)
        elif _RANGE.match(self.text, self.at):
            schema = self._ranged(schema, "str")
        description = self._description()
        return {**schema, "description": description} if description else schema

    def _is_choice(self) -> bool:
        """Whether the quoted text here is followed by a bar."""
        match = _STRING.match(self.text, self.at)
        return bool(match and re.match(r"[ \t]*\|", self.text[match.end() :]))

    def _type(self) -> dict[str, Any]:
        schema = self._plain_type()
        return _nullable(schema) if self._take("?") else schema

    def _plain_type(self) -> dict[str, Any]:
        char = self._peek()
        if char == "[":
            return self._list()
        if char == "{":
            start = self.at
            self.at += 1
            schema = self._fields(closing="}")
            self._close("}", start)
            return self._refuse_range(schema, "{...}")
        if _RANGE.match(self.text, self.at):
            return self._ranged(dict(TYPES["str"]), "str")
        start = self.at
        first = self._value()
        self._skip(_SPACES)
        if self._peek() == "|":
            return self._refuse_range(self._choice(first, start), "choice")
        word = self.text[start : self.at].strip()
        if word not in TYPES:
            raise self._error("type", start, what=word, cure=_cure(word))
        return self._ranged(dict(TYPES[word]), word)

    def _list(self) -> dict[str, Any]:
        start = self.at
        self.at += 1
        self._skip(_BREAKS)
        items = self._type()
        self._skip(_BREAKS)
        self._close("]", start)
        return self._ranged({"type": "array", "items": items}, "[...]")

    def _choice(self, first: Any, start: int) -> dict[str, Any]:  # noqa: ANN401
        values, words = [first], [self.text[start : self.at].strip()]
        while self._take("|"):
            self._skip(_SPACES)
            start = self.at
            value = self._value(after_bar=True)
            word = self.text[start : self.at].strip()
            if word in words:
                raise self._error("twice", start, what=word)
            values.append(value)
            words.append(word)
            self._skip(_SPACES)
        if all(word in TYPES or word == "null" for word in words):
            return {"anyOf": [dict(TYPES.get(word, {"type": "null"})) for word in words]}
        return {"enum": values}

    def _value(self, *, after_bar: bool = False) -> Any:  # noqa: ANN401
        """A text, number or null that may stand in a choice."""
        if self._peek() == '"':
            return self._string()
        match = _NUMBER.match(self.text, self.at) or _WORD.match(self.text, self.at)
        if not match:
            if after_bar:
                raise self._error("choice", self.at, what=self._what())
            raise self._error("type", self.at, what=self._what(), cure=_cure(""))
        self.at = match.end()
        if match.re is _NUMBER:
            return json.loads(match[0]) if not match[0].startswith(("00", "-00")) else match[0]
        return None if match[0] == "null" else match[0]

    def _ranged(self, schema: dict[str, Any], kind: str) -> dict[str, Any]:
        """`schema` with the range that follows it, if one does."""
        self._skip(_SPACES)
        match = _RANGE.match(self.text, self.at)
        if not match or match[0] == "..":
            return schema
        start, self.at = self.at, match.end()
        low, high = (json.loads(part) if part else None for part in match.groups())
        names = {
            "int": ("minimum", "maximum"),
            "num": ("minimum", "maximum"),
            "str": ("minLength", "maxLength"),
            "[...]": ("minItems", "maxItems"),
        }.get(kind)
        if names is None:
            raise self._error("no_range", start, what=kind)
        ends = [end for end in (low, high) if end is not None]
        if names[0] != "minimum" and any(end < 0 or isinstance(end, float) for end in ends):
            raise self._error("length", start, what=match[0])
        if len(ends) == 2 and ends[0] > ends[1]:
            raise self._error("range", start, what=match[0])
        bounds = zip(names, (low, high), strict=True)
        return schema | {name: end for name, end in bounds if end is not None}

    def _refuse_range(self, schema: dict[str, Any], kind: str) -> dict[str, Any]:
        self._ranged(schema, kind)
        return schema

    def _description(self) -> str:
        if self._peek() == '"':
            return self._string()
        start = self.at
        if not self._take(":"):
            return ""
        match = _TEXT.match(self.text, self.at)
        text = match[0].strip() if match else ""
        if not text:
            raise self._error("description", start)
        self.at += len(match[0]) if match else 0
        return text

    def _separator(self, closing: str) -> None:
        """Past one comma and any line breaks; at the end nothing is needed."""
        before = self.at
        self._skip(_BREAKS)
        broke = "\n" in self.text[before : self.at]
        if self._at_end(closing):
            return
        if self._take(","):
            self._skip(_BREAKS)
        elif not broke:
            expected = "a comma or a line break" + (f" or {closing!r}" if closing else "")
            raise self._error("separator", self.at, expected=expected, what=self._what())

    def _close(self, bracket: str, opened: int) -> None:
        if self._take(bracket):
            return
        if self.at >= len(self.text):
            raise self._error("open_bracket", opened, what=self.text[opened])
        raise self._error("separator", self.at, expected=repr(bracket), what=self._what())

    def _string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if not match:
            raise self._error("open_string", self.at)
        self.at = match.end()
        try:
            return str(json.loads(match[0]))
        except ValueError:
            return match[0][1:-1]

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self, char: str) -> bool:
        found = self._peek() == char
        self.at += found
        return found

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _what(self) -> str:
        match = _WORD.match(self.text, self.at)
        return repr(match[0] if match else self._peek()) if self._peek().strip() else "the end"

    def _error(self, name: str, at: int, /, **words: object) -> SchemaError:
        finding = SHORT[name].at(self.text, min(at, len(self.text)), **words)
        return SchemaError(
            finding.message, hint=finding.hint, pointer=finding.pointer, excerpt=finding.excerpt
        )


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {"enum": [*schema["enum"], *([] if None in schema["enum"] else [None])]}
    if not schema:
        return schema
    if "anyOf" in schema:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]}


def _cure(word: str) -> str:
    near = _OTHER_NAMES.get(word.lower())
    if near is None:
        close = get_close_matches(word, TYPES, n=1, cutoff=0.5)
        near = close[0] if close else None
    names = ", ".join(TYPES)
    return f"Did you mean {near}?" if near else f"Types are {names}, a|b|c, [type] and {{fields}}."
