"""The evaluation's extractive mask: JSON of a schema with free strings copied from the text."""

from __future__ import annotations

import json
from typing import Any

NUMBER = r"NUMBER: /-?(0|[1-9][0-9]*)(\.[0-9]+)?/"
INTEGER = r"INTEGER: /-?(0|[1-9][0-9]*)/"
DATE = r'DATE: /"[0-9]{4}-[0-9]{2}-[0-9]{2}"/'
TERMINALS = {"integer": "INTEGER", "number": "NUMBER"}


class Rules:
    """Collects Lark rules while a schema is walked."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, body: str) -> str:
        """Adds a rule and returns its name."""
        name = f"r{len(self.lines)}"
        self.lines.append(f"{name}: {body}")
        return name

    def value(self, schema: dict[str, Any]) -> str:
        """The name of a rule or terminal for a value of `schema`."""
        if "anyOf" in schema:
            return self.add(" | ".join(self.value(part) for part in schema["anyOf"]))
        if "enum" in schema:
            return self.add(" | ".join(literal(json.dumps(choice)) for choice in schema["enum"]))
        kind = schema["type"]
        if kind == "object":
            return self.object(schema)
        if kind == "array":
            item = self.value(schema["items"])
            return self.add(f'"[" ({item} ("," {item})*)? "]"')
        if kind == "string":
            return "DATE" if schema.get("format") == "date" else self.add(r'"\"" COPY "\""')
        if kind in TERMINALS:
            return TERMINALS[kind]
        return self.add('"null"' if kind == "null" else '"true" | "false"')

    def object(self, schema: dict[str, Any]) -> str:
        """Members in schema order, optional ones skipped with their comma."""
        members = [
            (literal(json.dumps(key) + ":"), self.value(value), key in schema["required"])
            for key, value in schema["properties"].items()
        ]
        first = rest = self.add('"}"')
        for key, value, required in reversed(members):
            here = f"{key} {value} {rest}"
            first, rest = (
                self.add(here if required else f"{here} | {first}"),
                self.add(f'"," {here}' if required else f'"," {here} | {rest}'),
            )
        return self.add(f'"{{" {first}')


def literal(text: str) -> str:
    """`text` as a Lark string."""
    return json.dumps(text, ensure_ascii=False)


def extractive_grammar(schema: dict[str, Any], text: str) -> str:
    """Compact JSON that fits `schema`, in which every free string is a run of words of `text`."""
    rules = Rules()
    start = rules.value(schema)
    copy = "COPY: %regex " + json.dumps({"substring_words": text}, ensure_ascii=False)
    return "\n".join([f"start: {start}", *rules.lines, NUMBER, INTEGER, DATE, copy])
