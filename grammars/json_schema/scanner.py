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

_STRING_STOP = re.compile(rb'["\\]')
_BARE_STOP = re.compile(rb"[\s,:\]}]")


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
    closes: list[Close] = []
    while state.length < len(text):
        if state.place == "string":
            state = _in_string(state, text, closes)
        elif state.place == "bare":
            state = _in_bare(state, text, closes)
        else:
            state = _between(state, text[state.length], closes)
    return state, closes


def finish(state: State) -> list[Close]:
    """The value that ends where the text ends: only a bare one waits for that."""
    if state.place != "bare":
        return []
    return [Close(state.start, state.length, state.frame, is_key=False)]


def _in_string(state: State, text: Bytes, closes: list[Close]) -> State:
    at = state.length
    if state.is_escaped:
        return State(at + 1, "string", state.frame, state.start, state.is_key)
    found = _STRING_STOP.search(text, at)
    if found is None:
        return State(len(text), "string", state.frame, state.start, state.is_key)
    end = found.end()
    if found[0] == b"\\":
        return State(end, "string", state.frame, state.start, state.is_key, is_escaped=True)
    closes.append(Close(state.start, end, state.frame, state.is_key))
    frame = state.frame
    if state.is_key and frame:
        keys = (*frame.keys, bytes(text[state.start : end]))
        frame = Frame(frame.start, True, frame.below, keys, frame.num_closed)
        return State(end, "after", frame)
    return State(end, "after", _counted(frame))


def _in_bare(state: State, text: Bytes, closes: list[Close]) -> State:
    found = _BARE_STOP.search(text, state.length)
    if found is None:
        return State(len(text), "bare", state.frame, state.start)
    end = found.start()
    closes.append(Close(state.start, end, state.frame, is_key=False))
    return State(end, "after", _counted(state.frame))


def _between(state: State, byte: int, closes: list[Close]) -> State:
    at, frame = state.length, state.frame
    match byte:
        case 0x20 | 0x09 | 0x0A | 0x0D:
            return State(at + 1, state.place, frame, state.start, state.is_key)
        case 0x7B | 0x5B:  # { [
            opened = Frame(at, byte == 0x7B, frame)
            return State(at + 1, "key" if opened.is_object else "value", opened)
        case 0x7D | 0x5D if frame:  # } ]
            closes.append(Close(frame.start, at + 1, frame.below, is_key=False))
            return State(at + 1, "after", _counted(frame.below))
        case 0x2C:  # ,
            return State(at + 1, "key" if frame and frame.is_object else "value", frame)
        case 0x3A:  # :
            return State(at + 1, "value", frame)
        case 0x22:  # "
            return State(at + 1, "string", frame, at, is_key=state.place == "key")
        case _:
            return State(at + 1, "bare", frame, at)


def _counted(frame: Frame | None) -> Frame | None:
    if frame is None:
        return None
    return Frame(frame.start, frame.is_object, frame.below, frame.keys, frame.num_closed + 1)


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
