"""All suffixes of the passages in order: what may follow a piece of text is a range of them.

The suffixes that begin with a text form a range of the suffix array, so a range is what the state
of a suffix automaton is; the array takes 4 bytes a character where the automaton takes hundreds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]

BREAK = 0xFF
"""Stands between passages and for what no quote holds; no byte of UTF-8."""
_SHORT = {b'"': b'\\"', b"\\": b"\\\\", b"\b": b"\\b", b"\f": b"\\f", b"\n": b"\\n"} | {
    b"\r": b"\\r",
    b"\t": b"\\t",
}
_SPECIAL = re.compile(rb'["\\\b\f\n\r\t]')
_HALVES = re.compile("[\ud800-\udfff]")
_UNSAID = re.compile("[\ud800-\udfff\x00-\x07\x0b\x0e-\x1f\x7f]")
_ESCAPE = re.compile(rb"\\.")


class Suffixes:
    """The spelled passages and the order of their suffixes.

    Args:
        texts: The passages.
        escaped: Whether the text is spelled as inside a JSON string, with the short escapes.
            Characters without one (other control characters) then end every quote.

    Attributes:
        data: The passages' bytes, `BREAK` after each.
        order: int32 [n]; offsets of the suffixes that begin with a whole character, sorted.
        count: int32 [bytes + 1]; characters that begin before an offset.
        begins: int64 [pieces]; offsets of what stands between breaks.
        codes: uint32 [characters]; all of them without the breaks.
        widest: bytes of the longest character in plain UTF-8.
        room: int32 [n]; characters up to the next break, beside `order`.
    """

    def __init__(self, texts: Sequence[str], *, escaped: bool) -> None:
        from pydivsufsort import divsufsort

        self.escaped = escaped
        pieces = [
            piece for text in texts for piece in (_UNSAID if escaped else _HALVES).split(text)
        ]
        spell = _spelled if escaped else str.encode
        self.data = b"".join(spell(piece) + bytes([BREAK]) for piece in pieces)
        self.codes = np.frombuffer("".join(pieces).encode("utf-32-le"), dtype=np.uint32)
        self.bytes = np.frombuffer(bytearray(self.data), dtype=np.uint8)  # the library writes
        begins = _begins(self.bytes, self.data if escaped else b"")
        self.count = np.concatenate([[0], np.cumsum(begins)]).astype(np.int32)
        order: Ints = divsufsort(self.bytes).astype(np.int32, copy=False)
        self.order = order[begins[order]]
        breaks = np.flatnonzero(self.bytes == BREAK)
        self.begins = np.concatenate([[0], breaks[:-1] + 1])
        ends = breaks[np.searchsorted(breaks, self.order)]
        self.widest = _width(int(self.bytes[self.bytes < BREAK].max(initial=0)))
        self.room: Ints = self.count[ends] - self.count[self.order]


def _begins(data: npt.NDArray[np.uint8], escapes: bytes) -> npt.NDArray[np.bool_]:
    """Which bytes begin a character: no continuation of UTF-8, no letter after a backslash."""
    begins: npt.NDArray[np.bool_] = ((data & 0xC0) != 0x80) & (data != BREAK)
    inner = [match.start() + 1 for match in _ESCAPE.finditer(escapes)]
    begins[inner] = False
    return begins


def _width(lead: int) -> int:
    """Bytes of a UTF-8 character by its first one."""
    return 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)


def _spelled(text: str) -> bytes:
    """As between the quotes of a JSON string."""
    return _SPECIAL.sub(lambda match: _SHORT[match[0]], text.encode())
