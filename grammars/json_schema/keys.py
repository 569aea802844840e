"""The keys of growing JSON text: whether one comes twice in its object.

Looks at strings and brackets only, in a third of the time of `scanner.scan`: that is all there is
to judge of most schemas. States are values: to go back is to have kept the old one.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from tether.grammars.guarded import Bytes, Refusal

_PIECE = re.compile(
    rb'("[^"\\]*(?:\\.[^"\\]*)*")(?:\s*(:)|(?=\s*[^\s:]))|([{\[])|[}\]]|"', re.DOTALL
)
"""A key with its colon, another string that has ended, a bracket, or where a string goes on."""

_KEY, _OPENS = 2, 3
"""The last group of a piece."""
_QUOTE = 0x22
_NONE: frozenset[bytes] = frozenset()


class Opened(NamedTuple):
    """An open container: its keys, and what is around it."""

    keys: frozenset[bytes]
    below: Opened | None


class Keys(NamedTuple):
    """A place in a text, of whose first `length` bytes all strings have ended."""

    length: int = 0
    opened: Opened | None = None


def scan_keys(state: Keys, text: Bytes) -> tuple[Keys, Refusal | None]:
    """The state after `text`, and the key that comes twice, if one does."""
    at, opened = state
    for found in _PIECE.finditer(text, at):
        kind = found.lastindex
        if kind == _KEY and opened:
            key = found[1] if b"\\" not in found[1] else _plain(found[1])
            if key in opened.keys:
                return state, Refusal(found.start(), found.end(1))
            opened = Opened(opened.keys | {key}, opened.below)
        elif kind == _OPENS:
            opened = Opened(_NONE, opened)
        elif kind is None:
            if text[found.start()] == _QUOTE:  # a string goes on, or is a key without its colon
                break
            opened = opened.below if opened else None
        at = found.end()
    return Keys(at, opened), None


def _plain(key: bytes) -> bytes:
    """A key as it is spelt without escapes."""
    name: str = json.loads(key)
    return b'"' + name.encode("utf-8", "surrogatepass") + b'"'
