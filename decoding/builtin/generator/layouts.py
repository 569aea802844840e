"""How facts stand on the page without sentences: forms, lines, tables, logs, bullets."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from tether.decoding.builtin.generator.facts import Fact

BULLETS = ("- ", "* ", "• ", "  - ", "1")


def prose(rng: random.Random, sentences: Sequence[str], style: str) -> str:
    """Sentences in one paragraph, in lines, or in a markdown list."""
    if style == "list":
        return "\n".join(f"- {sentence.strip()}" for sentence in sentences)
    space = "\n" if rng.random() < 0.12 else " "
    return re.sub(r"\n ", "\n", space.join(s.rstrip(" ") for s in sentences)).strip()


def bullets(rng: random.Random, rows: Sequence[str]) -> str:
    """One line for each row, with dashes, dots or numbers."""
    mark = rng.choice(BULLETS)
    if mark == "1":
        return "\n".join(f"{i}. {row}" for i, row in enumerate(rows, 1))
    return "\n".join(mark + row for row in rows)


def labels(rng: random.Random, facts: Sequence[Fact]) -> list[str]:
    """What a form calls each fact: its noun or its key, in one case for the document."""
    raw = rng.random() < 0.2
    case = rng.choices(list(CASES), list(CASES.values()))[0]
    return [fact.key if raw else case(fact.noun) for fact in facts]


def sentence_case(text: str) -> str:
    """The text with a capital in front."""
    return text[:1].upper() + text[1:]


CASES: dict[Callable[[str], str], int] = {str: 30, sentence_case: 45, str.title: 15, str.upper: 10}
"""How labels are spelled, each with its share in a hundred."""


def form(rng: random.Random, facts: Sequence[Fact]) -> list[str]:
    """Form lines: `Date of birth: 3 May 2020`, in one style for the document."""
    mark = rng.choice(["", "", "- ", "* "])
    sign = rng.choice([": ", ": ", ": ", " = ", " - ", " | ", ":\t", " .... ", ":\n"])
    bold = "**" if mark and rng.random() < 0.3 else ""
    lines = []
    for label, fact in zip(labels(rng, facts), facts, strict=True):
        if fact.rows and rng.random() < 0.5:
            lines.append(f"{mark}{bold}{label}{bold}:\n{bullets(rng, fact.rows)}")
        else:
            lines.append(f"{mark}{bold}{label}{bold}{sign}{fact.line}")
    return lines


def one_line(rng: random.Random, facts: Sequence[Fact]) -> list[str]:
    """The whole form in one line."""
    sign, space = rng.choice([": ", ": ", " = ", " "]), rng.choice([" | ", " / ", "; ", " // "])
    pairs = zip(labels(rng, facts), facts, strict=True)
    return [space.join(f"{label}{sign}{fact.line}" for label, fact in pairs)]


def table(rng: random.Random, facts: Sequence[Fact]) -> list[str]:
    """A line of headings above a line of values."""
    rows = [labels(rng, facts), [fact.line for fact in facts]]
    style = rng.choice(["pipe", "markdown", "tab", "semicolon"])
    if style != "markdown":
        space = {"pipe": " | ", "tab": "\t", "semicolon": ";"}[style]
        return [space.join(row) for row in rows]
    rows.insert(1, ["---"] * len(facts))
    return ["| " + " | ".join(row) + " |" for row in rows]


def log_line(rng: random.Random, facts: Sequence[Fact]) -> list[str]:
    """`key=value` pairs as programs log them."""
    del rng
    return [
        " ".join(
            f"{fact.key.replace(' ', '_')}={fact.line if ' ' not in fact.line else quoted(fact)}"
            for fact in facts
        )
    ]


def quoted(fact: Fact) -> str:
    """The fact's line in quotation marks."""
    return f'"{fact.line}"'


def tagged(rng: random.Random, facts: Sequence[Fact]) -> list[str]:
    """One element for each fact."""
    del rng
    names = [fact.key.replace(" ", "_") for fact in facts]
    return [f"<{name}>{fact.line}</{name}>" for name, fact in zip(names, facts, strict=True)]


STYLES: dict[str, tuple[Callable[[random.Random, Sequence[Fact]], list[str]], int]] = {
    "form": (form, 13),
    "one line": (one_line, 3),
    "table": (table, 3),
    "log": (log_line, 2),
    "tags": (tagged, 1),
}
"""The styles without sentences, each with its share in a hundred documents."""
