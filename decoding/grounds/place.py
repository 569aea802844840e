"""Where in a JSON text a row stands: evidence speaks of values, not of the names of members."""

from __future__ import annotations

from dataclasses import dataclass, field

_OPENING, _CLOSING = b"{[", b"}]"


@dataclass(slots=True)
class Place:
    """Reads a JSON text as it grows.

    Attributes:
        in_key: Whether the text ends inside of a member's name.
    """

    in_key: bool = False
    _read: int = 0
    _taken_back: int = 0
    _open: list[int] = field(default_factory=list)
    _in_string: bool = False
    _escaped: bool = False
    _named: bool = False

    def at(self, text: bytes | bytearray, taken_back: int) -> Place:
        """Read on to the end of `text`; from its start again where something was taken back."""
        if taken_back != self._taken_back or len(text) < self._read:
            self.__init__(_taken_back=taken_back)  # type: ignore[misc]
        for byte in text[self._read :]:
            self._step(byte)
        self._read = len(text)
        return self

    def _step(self, byte: int) -> None:
        if self._in_string:
            ends = byte == ord('"') and not self._escaped
            self._escaped = byte == ord("\\") and not self._escaped
            self._in_string, self.in_key = not ends, self.in_key and not ends
        elif byte == ord('"'):
            self._in_string = True
            self.in_key = bool(self._open) and self._open[-1] == ord("{") and not self._named
        elif byte in _OPENING:
            self._open.append(byte)
            self._named = False
        elif byte in _CLOSING and self._open:
            self._open.pop()
        elif byte in b":,":
            self._named = byte == ord(":")
