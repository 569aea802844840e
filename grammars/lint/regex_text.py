"""Regex texts -> findings: what llguidance refuses, at its place, with the cure."""

from __future__ import annotations

import re

from tether.grammars.findings import Finding
from tether.grammars.lint.messages import REGEX

_REGEX_REASONS = (
    ("look-around", "look_around"),
    ("backreferences", "backreference"),
    ("unclosed group", "open_group"),
    ("unopened group", "close_group"),
    ("unclosed character class", "open_class"),
    ("invalid character class range", "class_range"),
    ("repetition operator missing", "nothing_repeated"),
    ("repetition", "count"),
    ("unrecognized escape", "escape"),
    ("Unicode property", "property"),
    ("unrecognized flag", "group_kind"),
)


def regex_findings(pattern: str) -> list[Finding]:
    """What llguidance refuses in a regex, at its place, with the cure."""
    from tether.grammars.engine import ENGINE_OPTIONS, engine_message, regex_terminal

    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        return [REGEX["trailing_backslash"].at(pattern, len(pattern) - 1)]
    message = engine_message(f"{ENGINE_OPTIONS}start: {regex_terminal(pattern)}\n")
    if not message:
        return []
    look = re.search(r"lookarounds not supported yet; (\w+)", message)
    if look:
        return [_look_around(pattern, look[1])]
    reason = re.search(r"^error: (.*)$", message, re.MULTILINE)
    at = _regex_offset(pattern, message)
    if not reason:
        return [REGEX["other"].at(pattern, 0, what=message.split("\n")[0])]
    if pattern[at:].startswith("P=") or "(?P=" in pattern[max(0, at - 2) : at + 3]:
        return [REGEX["backreference"].at(pattern, at)]
    name = next((name for word, name in _REGEX_REASONS if word in reason[1]), "other")
    what = reason[1] if name == "other" else pattern[at : at + 4]
    return [REGEX[name].at(pattern, at, what=what)]


def _look_around(pattern: str, kind: str) -> Finding:
    """The engine names anchors and word borders without a place: find the first that counts."""
    if "Word" in kind:
        sign = re.search(r"\\[bB<>]", pattern)
        return REGEX["look_around"].at(pattern, sign.start() if sign else 0, what="a word border")
    sign = re.search(r"(?<!^)(?<![\\|(\[])\^|(?<!\\)\$(?!$|[|)])", pattern)
    where = sign.start() if sign else 0
    return REGEX["inner_anchor"].at(pattern, where, what=pattern[where : where + 1])


def _regex_offset(pattern: str, message: str) -> int:
    """The character of `pattern` under the caret; the engine shows it with slashes escaped."""
    lines = message.split("\n")
    caret = next((i for i, line in enumerate(lines) if re.fullmatch(r" {4} *\^+", line)), None)
    if caret is None:
        return 0
    column = lines[caret].index("^") - 4
    shown = lines[caret - 1][4:]
    slashes = len(re.findall(r"\\/", shown[:column])) - len(re.findall(r"\\/", pattern[:column]))
    return max(0, min(column - slashes, len(pattern)))
