"""Where in a JSON text we are: an incremental scanner.

Its states are values: to go back is to have kept the old one.

Knows JSON's punctuation only and trusts the mask for the rest: it is never fed a text that is not
a prefix of JSON.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from tether.grammars.guarded import Bytes

Place = Literal["value", "key", "string", "bare", "after"]
"""value: one is due; key: a key, or the end of the object; string: inside a string or key;
bare: inside a number, true, false or null; after: a value or a key has just ended."""

_STRING_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|[^\s,:\[\]{}"]+(?=[\s,:\]}])|"', re.DOTALL)
"""A whole string, a bracket, a whole bare value, or where a string begins that does not end."""
_BETWEEN = b" \t\n\r,:"
_QUOTE, _BRACE = b'"{'


class Frame(NamedTuple):
    """An open container.

    Attributes:
        start: Offset of its bracket.
        is_object: Whether it is an object.
        below: The container around it; None for the root.
        keys: Keys closed so far, raw bytes with their quotes.
        num_closed: Values closed so far.
    """

    start: int
    is_object: bool
    below: Frame | None
    keys: tuple[bytes, ...] = ()
    num_closed: int = 0


class State(NamedTuple):
    """A place in a text of `length` bytes.

    Attributes:
        place: What is going on here.
        frame: The innermost open container.
        start: Offset of the string, key or bare value that is going on.
        is_key: Whether the string that is going on is a key.
        is_escaped: Whether a backslash came last.
    """

    length: int = 0
    place: Place = "value"
    frame: Frame | None = None
    start: int = 0
    is_key: bool = False
    is_escaped: bool = False


class Close(NamedTuple):
    """A value, or a key, that has ended: text[start:end]; `frame` is what is open around it."""

    start: int
    end: int
    frame: Frame | None
    is_key: bool


def scan(state: State, text: Bytes) -> tuple[State, list[Close]]:
    """The state after all of `text`, whose first `state.length` bytes were scanned before."""
    at, place, frame, start, is_key, is_escaped = state
    closes: list[Close] = []
    if place == "string":
        at, is_closed, is_escaped = _in_string(text, at, is_escaped)
        if not is_closed:
            return State(at, place, frame, start, is_key, is_escaped), closes
        place, frame = "after", _close(text, Close(start, at, frame, is_key), closes)
    elif place == "bare":
        at = start
    for found in _TOKEN.finditer(text, at):
        start, at = found.span()
        first = text[start]
        if first == _QUOTE:
            is_key = frame is not None and frame.is_object and len(frame.keys) == frame.num_closed
            if at == start + 1:
                _, _, is_escaped = _in_string(text, at, False)
                return State(len(text), "string", frame, start, is_key, is_escaped), closes
            place, frame = "after", _close(text, Close(start, at, frame, is_key), closes)
        elif first in b"{[":
            place, frame = (
                "key" if first == _BRACE else "value",
                Frame(start, first == _BRACE, frame),
            )
        elif first in b"}]" and frame:
            close = Close(frame.start, at, frame.below, is_key=False)
            place, frame = "after", _close(text, close, closes)
        else:
            place, frame = "after", _close(text, Close(start, at, frame, is_key=False), closes)
    return _ended(text, at, place, frame), closes


def finish(state: State) -> list[Close]:
    """The value that ends where the text ends: only a bare one waits for that."""
    if state.place != "bare":
        return []
    return [Close(state.start, state.length, state.frame, is_key=False)]


def _in_string(text: Bytes, at: int, is_escaped: bool) -> tuple[int, bool, bool]:
    """Past the end of a string or of the text; whether it is closed, whether a backslash is."""
    at += is_escaped
    found = _STRING_REST.match(text, at)
    if found:
        return found.end(), True, False
    rest = text[at:]
    return len(text), False, (len(rest) - len(rest.rstrip(b"\\"))) % 2 == 1


def _close(text: Bytes, close: Close, closes: list[Close]) -> Frame | None:
    """Note what closed; the container around it, which has a key or a value more."""
    closes.append(close)
    frame = close.frame
    if frame is None:
        return None
    start, is_object, below, keys, num_closed = frame
    if close.is_key:
        return Frame(
            start, is_object, below, (*keys, bytes(text[close.start : close.end])), num_closed
        )
    return Frame(start, is_object, below, keys, num_closed + 1)


def _ended(text: Bytes, at: int, place: Place, frame: Frame | None) -> State:
    """The state after a text that ends with punctuation, or with a bare value still going on."""
    rest = bytes(text[at:])
    bare = rest.lstrip(_BETWEEN)
    if bare:
        return State(len(text), "bare", frame, len(text) - len(bare))
    last = rest.rstrip()[-1:]
    if last == b",":
        place = "key" if frame and frame.is_object else "value"
    elif last == b":":
        place = "value"
    return State(len(text), place, frame)


def closers(frame: Frame | None) -> bytes:
    """The brackets that close everything that is open."""
    result = bytearray()
    while frame:
        result += b"}" if frame.is_object else b"]"
        frame = frame.below
    return bytes(result)


def path(frame: Frame | None) -> tuple[str | int, ...]:
    """Keys and indices that lead to the innermost open container."""
    import json

    steps: list[str | int] = []
    while frame and frame.below:
        outer = frame.below
        steps.append(json.loads(outer.keys[-1]) if outer.is_object else outer.num_closed)
        frame = outer
    return tuple(reversed(steps))
