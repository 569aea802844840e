"""The oracle asked as JSON text grows: at each value that closes, about the text so far.

The text so far, with everything open closed, is an instance of its own; those of the oracle's
faults in it that no further text can mend refuse it.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator

from tether.grammars.guarded import Bytes, Refusal
from tether.grammars.json_schema.keys import Keys, scan_keys
from tether.grammars.json_schema.oracle import Fault, Oracle
from tether.grammars.json_schema.scanner import Close, Frame, State, closers, path, scan

_LASTING = {"additionalProperties", "additionalItems", "items", "maxItems", "maxProperties"} | {
    "uniqueItems",
    "propertyNames",
    "type",
}
"""Keywords that an open container can break for good, whatever follows."""
_CLOSED = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\]}]|[^\s,:\[\]{}"][\s,]', re.DOTALL)
"""A whole string, the end of a container, or that of a bare value: or what looks like one."""
_BARE_END = re.compile(rb"[\s,\]}]")
_STOPS = b'",]}'
"""A value has closed when one of these is said; the end of a bare one may be seen one later."""
_KEY_STOPS = b":"
"""A key is judged as its colon comes."""
_LONG_TEXT = 4096
"""Bytes of text from which on only containers are judged as they close, not each scalar."""
_DEEP = 12
"""Open containers around a value from which on it is not judged as it closes: finding the faults of
nested unions takes the square of their depth."""
_CONDITIONAL = frozenset(("then", "else"))
_INTO_MEMBER = frozenset(("properties", "patternProperties", "prefixItems"))
_INTO_ANY = frozenset(("additionalProperties", "additionalItems", "items", "contains"))


Path = tuple[str | int, ...]


class JsonJudge:
    """A Judge of growing JSON text.

    Args:
        oracle: The exact judge of whole texts.
        watches: Whether values are judged as they close; not needed where the mask is exact.
        only_keys: Whether of all that can be wrong only a key that comes twice is looked for.
        containers: Whether an array or object may be wrong of which all parts are good.
    """

    def __init__(
        self,
        oracle: Oracle,
        *,
        watches: bool,
        only_keys: bool = False,
        containers: bool = True,
    ) -> None:
        self._oracle, self._containers = oracle, containers
        self._last = b"", False
        self._only_keys = only_keys
        self.stops = (_KEY_STOPS if only_keys else _STOPS) if watches else b""

    def watch(self) -> None:
        """Judge values as they close from now on; the end judges the whole text."""
        self.stops, self._only_keys, self._containers = _STOPS, False, True

    def start(self) -> State | Keys:
        """Before the first byte."""
        return Keys() if self._only_keys else State()

    def advance(self, state: State | Keys, text: Bytes) -> tuple[State | Keys, Refusal | None]:
        """Judge every value, or only every key, that ends between `state` and the end of `text`.

        Where nothing ends the state may stay behind.
        """
        if not self.stops:
            return state, None
        if self._only_keys and isinstance(state, Keys):
            is_idle = text.find(_KEY_STOPS, state.length) < 0
            return (state, None) if is_idle else scan_keys(state, text)
        if not isinstance(state, State):  # it watches more than before
            state = State()
        if _is_idle(state, text):
            return state, None
        state, closes = scan(state, text)
        for close in closes:
            if self._breaks(text, close):
                is_bare = text[close.start] not in b'"{['
                return state, Refusal(close.start, close.end + is_bare, anew=is_bare)
        return state, None

    def accepts(self, text: bytes) -> bool:
        """Whether the oracle has nothing against the whole text; remembered for the next time."""
        known, verdict = self._last
        if known != text:
            verdict = self._accepts(text)
            self._last = text, verdict
        return verdict

    def _accepts(self, text: bytes) -> bool:
        try:
            return self._oracle.accepts(text.decode())
        except UnicodeDecodeError:
            return False

    def _breaks(self, text: Bytes, close: Close) -> bool:
        """Whether the value or key that closed can stand in no legal text."""
        if close.is_key:
            return _repeats(text[close.start : close.end], close)
        if close.frame is None:
            return not self.accepts(bytes(text[: close.end]))
        is_scalar = text[close.start] not in b"{["
        if is_scalar and close.end > _LONG_TEXT:
            return False
        ends = closers(close.frame)
        if len(ends) > _DEEP:
            return False
        try:
            value = json.loads((text[: close.end] + ends).decode())
        except (ValueError, RecursionError):  # a lone surrogate, say: the end will tell
            return False
        has_quick_look = is_scalar or not self._containers
        if has_quick_look and self._oracle.begins_well(value):  # a tenth of the faults' time
            return False
        return _is_lost(self._oracle.faults(value), close.frame)


def _is_idle(state: State, text: Bytes) -> bool:
    """Whether nothing to judge can have closed since `state`."""
    if state.place == "string":
        return text.find(b'"', state.length) < 0
    end = _BARE_END if state.place == "bare" else _CLOSED
    return end.search(text, state.length) is None


def _repeats(key: Bytes, close: Close) -> bool:
    keys = close.frame.keys if close.frame else ()
    if b"\\" not in key and b"\\" not in b"".join(keys):
        return bytes(key) in keys
    return json.loads(key) in map(json.loads, keys)


def _is_lost(faults: Iterator[Fault], frame: Frame) -> bool:
    """Whether one of the faults stays, whatever is added to the open containers up to `frame`."""
    here: Path | None = None
    for fault in faults:
        if here is None:
            here = path(frame)
            if "" in here:  # the library drops empty keys from its paths: the end will tell
                return False
        if _lasts(fault, here):
            return True
    return False


def _lasts(fault: Fault, here: Path) -> bool:
    """Whether a fault stays, whatever is added to the open containers on the way to `here`."""
    is_open = _is_open(fault.path, here)
    if is_open and fault.keyword not in _LASTING:
        return False
    if is_open and fault.keyword == "uniqueItems" and len(fault.path) < len(here):
        return False  # the item that is open may yet become another
    return not any(_is_open(fault.path[:depth], here) for depth in _conditions(fault))


def _is_open(place: Path, here: Path) -> bool:
    """Whether the value at `place` is open; the library writes keys of digits as numbers."""
    return len(place) <= len(here) and all(map(operator.eq, map(str, place), map(str, here)))


def _conditions(fault: Fault) -> list[int]:
    """At which depths of the instance an `if` decided that the broken rule holds."""
    depths, depth, steps = [], 0, iter(fault.evaluation_path)
    for step in steps:
        if step in _CONDITIONAL:
            depths.append(depth)
        elif step in _INTO_MEMBER:
            depth += 1
            next(steps, None)
        elif step in _INTO_ANY:
            depth += 1
        elif step in ("allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies", "$defs"):
            next(steps, None)
    return depths
