"""A regex of another dialect (Python, PCRE, lenient JavaScript) in ECMA-262's strict one.

Escapes, flags, names of groups, classes and stray brackets are rewritten. What has no strict
counterpart (atomic groups, possessive repeats, conditions) stays as it is and is refused.
"""

from __future__ import annotations

import re


def strict(pattern: str) -> str | None:
    """`pattern` in the strict dialect; None where that cannot say it."""
    if _accepted(pattern):
        return pattern
    text = _Rewriter().rewrite(pattern)
    return text if text is not None and _accepted(text) else None


def _accepted(pattern: str) -> bool:
    import jsonschema_rs

    try:
        # The metaschema of this draft judges patterns, that of the newest leaves it to the build.
        jsonschema_rs.Draft7Validator({"pattern": pattern}, offline=True)
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True


_HEX = "[0-9A-Fa-f]"
_ESCAPE = (
    rf"\\(?P<escape>x\{{{_HEX}+\}}|x{_HEX}{{2}}|u\{{{_HEX}+\}}|u[dD][89abAB]{_HEX}{{2}}\\u"
    rf"[dD][c-fC-F]{_HEX}{{2}}|u{_HEX}{{4}}|U{_HEX}{{8}}|[pP]\{{[^}}]*\}}|[pP][A-Z]|c[A-Za-z]"
    r"|k<\w+>|[1-9]\d*|.)"
)
_INNER = r"(?:\\.|[^\]\\])"
_TOKEN = re.compile(
    "|".join(
        (
            r"\\Q(?P<quoted>.*?)(?:\\E|$)",
            _ESCAPE,
            rf"(?P<set>\[\^?(?:\]{_INNER}*|{_INNER}+)\])",
            r"(?P<empty>\[\^?\])",
            r"(?P<comment>\(\?#[^)]*\))",
            r"\(\?P=(?P<same>\w+)\)",
            r"(?P<group>\(\?P?<(?P<name>[A-Za-z_]\w*)>|\((?!\?))",
            r"(?P<count>\{(?P<least>\d*)(?:,(?P<most>\d*))?\})",
            r"(?P<lone>[{}\]])",
        )
    ),
    re.DOTALL,
)
_MEMBER = re.compile(rf"{_ESCAPE}|(?P<sign>[-\[\]])", re.DOTALL)
_FLAGS = re.compile(r"\(\?([aimsu]+)\)")
_EMPTY = {"[]": "(?!)", "[^]": r"[\s\S]"}
_ANCHORS = {"A": "^", "Z": "$", "z": "$"}
_SIGNS = {"a": r"\x07", "e": r"\x1b", "0": r"\x00", "h": r"[ \t]", "R": r"(?:\r\n|[\n\v\f\r])"}
_KNOWN = frozenset("dDwWsSbBtnvfr^$\\.*+?()[]{}|/-")


class _Rewriter:
    """One pattern's way into the strict dialect; groups are counted, names become numbers."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._num_groups = 0
        self._lost = False

    def rewrite(self, pattern: str) -> str | None:
        flags = _FLAGS.match(pattern)
        body = _TOKEN.sub(self._token, pattern[flags.end() :] if flags else pattern)
        kept = "".join(sorted(set(flags[1]) - set("au"))) if flags else ""
        return None if self._lost else f"(?{kept}:{body})" if kept else body

    def _token(self, found: re.Match[str]) -> str:
        text = found[0]
        if text in _EMPTY:
            return _EMPTY[text]
        match found.lastgroup:
            case "quoted":
                return re.sub(r"([\^$\\.*+?()\[\]{}|/])", r"\\\1", found["quoted"])
            case "escape":
                return self._escape(found["escape"])
            case "set":
                return self._set(text)
            case "group":
                return self._group(found["name"])
            case "same":
                return self._back(found["same"])
            case "count":
                return self._count(found)
            case "comment":
                return ""
        return "\\" + text

    def _escape(self, text: str, inside: bool = False) -> str:
        first = text[0]
        if first in "xuU" and len(text) > 1:
            return _code_point(text)
        if first in "pP" and len(text) == 2:
            return f"\\{first}{{{text[1]}}}"
        if first == "k" and len(text) > 1:
            return self._back(text[2:-1])
        if inside and text == "b":
            return r"\x08"
        table = _SIGNS if inside else _SIGNS | _ANCHORS
        if text in table and not (inside and text in "hR"):
            return table[text]
        if len(text) > 1 or first in _KNOWN or first.isdigit():
            return "\\" + text
        self._lost |= first.isascii() and first.isalpha()
        return first

    def _set(self, text: str) -> str:
        start = 2 if text.startswith("[^") else 1
        inner, at, done = text[start:-1], 0, []
        for found in _MEMBER.finditer(inner):
            done += [inner[at : found.start()], self._member(found, inner)]
            at = found.end()
        return f"{text[:start]}{''.join(done)}{inner[at:]}]"

    def _member(self, found: re.Match[str], inner: str) -> str:
        if found["escape"] is not None:
            return self._escape(found["escape"], inside=True)
        if found["sign"] != "-":
            return "\\" + found["sign"]
        # A range between classes is none: the sign is meant.
        before, after = inner[: found.start()], inner[found.end() :]
        meant = re.search(r"(?<!\\)(?:\\\\)*\\[dDwWsS]$", before) or re.match(
            r"\\[dDwWsSpP]", after
        )
        return r"\-" if meant else "-"

    def _group(self, name: str | None) -> str:
        self._num_groups += 1
        if name:
            self._names[name] = self._num_groups
        return "("

    def _back(self, name: str) -> str:
        self._lost |= name not in self._names
        return f"(?:\\{self._names.get(name, 0)})"

    def _count(self, found: re.Match[str]) -> str:
        if found["least"]:
            return found["count"]
        return f"{{0,{found['most']}}}" if found["most"] else "\\{" + found["count"][1:-1] + "\\}"


def _code_point(text: str) -> str:
    """`x41`, `u00e9`, a surrogate pair, or the like as one code point."""
    halves = [int(half, 16) for half in text[1:].split("\\u")] if "\\u" in text else []
    if halves:
        return f"\\u{{{0x10000 + (halves[0] - 0xD800) * 0x400 + halves[1] - 0xDC00:x}}}"
    return f"\\u{{{text[1:].strip('{}').lstrip('0') or '0'}}}"
