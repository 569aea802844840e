"""No-goods: texts that are known to lead nowhere, as byte prefixes.

A text is refused whatever tokens spell it, so what is remembered is bytes: no other split of the
same text is tried again.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from tether.grammars.constraint import Mask
from tether.grammars.spelling import Speller, successor


class NoGoods:
    """A set of refused prefixes; every text that begins with one of them is refused too.

    Attributes:
        prefixes: All of them, sorted.
    """

    def __init__(self) -> None:
        self.prefixes: list[bytes] = []
        self._lengths: set[int] = set()
        self._guesses: set[bytes] = set()

    def __bool__(self) -> bool:
        """Whether anything is refused at all."""
        return bool(self.prefixes)

    def add(self, prefix: bytes, *, is_guess: bool = False) -> None:
        """Refuse `prefix` and all that begins with it; a guess can be forgotten again."""
        if self._holds(prefix):
            return
        insort(self.prefixes, prefix)
        self._lengths.add(len(prefix))
        if is_guess:
            self._guesses.add(prefix)

    @property
    def has_guesses(self) -> bool:
        """Whether anything is refused without proof."""
        return bool(self._guesses)

    def forget_guesses(self) -> bool:
        """Allow again what was refused without proof; whether there was any."""
        had_any = bool(self._guesses)
        self.prefixes = [p for p in self.prefixes if p not in self._guesses]
        self._guesses = set()
        return had_any

    def copy(self) -> NoGoods:
        """An independent copy."""
        copy = NoGoods()
        copy.prefixes, copy._lengths = list(self.prefixes), set(self._lengths)
        copy._guesses = set(self._guesses)
        return copy

    def refuse(self, text: bytes | bytearray, *, since: int = 0) -> bool:
        """Whether `text` begins with a refused prefix of more than `since` bytes."""
        lengths = (length for length in self._lengths if since < length <= len(text))
        return any(self._holds(text[:length]) for length in lengths)

    def completing(self, text: bytes) -> list[bytes]:
        """The refused prefixes that begin with `text`."""
        after = successor(text)
        end = len(self.prefixes) if after is None else bisect_left(self.prefixes, after)
        return self.prefixes[bisect_left(self.prefixes, text) : end]

    def clear(self, mask: Mask, text: bytes, speller: Speller) -> None:
        """Clear the bits of all tokens that would complete a refused prefix after `text`."""
        bits = mask.view(np.uint32)
        for prefix in self.completing(text):
            ids = speller.starting_with(prefix[len(text) :])
            np.bitwise_and.at(bits, ids >> 5, ~(np.uint32(1) << (ids & 31).astype(np.uint32)))

    def _holds(self, prefix: bytes | bytearray) -> bool:
        at = bisect_left(self.prefixes, prefix)
        return at < len(self.prefixes) and self.prefixes[at] == prefix
