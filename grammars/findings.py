"""What a lint says about a schema or a grammar, and how a place in a text is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark about what the user wrote.

    Attributes:
        level: "error" is refused, "warning" works but is probably not meant, "info" is to know.
        pointer: JSON Pointer of a sub-schema, or `line:column` of a text; "" is the whole.
        message: What and where, as a full sentence.
        hint: The cure; empty where there is nothing to do.
        excerpt: The line with a caret under the place, for texts.
    """

    level: Level
    pointer: str
    message: str
    hint: str = ""
    excerpt: str = ""


def excerpt(text: str, line: int, column: int) -> str:
    """The line of `text` with a caret under `column`; both count from 1, tabs are kept in step."""
    lines = text.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1]
    lead = "".join("\t" if char == "\t" else " " for char in shown[: column - 1])
    lead += " " * (column - 1 - len(lead))
    number = f"{line} | "
    return f"  {number}{shown}\n  {' ' * len(number)}{lead}^"


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
