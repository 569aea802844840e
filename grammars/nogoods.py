"""No-goods: texts that are known to lead nowhere, as byte prefixes.

A text is refused whatever tokens spell it, so what is remembered is bytes: no other split of the
same text is tried again.
"""

from __future__ import annotations

import numpy as np

from tether.grammars.constraint import Mask
from tether.grammars.spelling import Speller


class NoGoods:
    """A set of refused prefixes; every text that begins with one of them is refused too."""

    def __init__(self) -> None:
        self._prefixes: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything is refused at all."""
        return bool(self._prefixes)

    def add(self, prefix: bytes) -> None:
        """Refuse `prefix` and all that begins with it."""
        self._prefixes = frozenset(p for p in self._prefixes if not p.startswith(prefix)) | {prefix}

    def copy(self) -> NoGoods:
        """An independent copy."""
        copy = NoGoods()
        copy._prefixes = self._prefixes
        return copy

    def refuse(self, text: bytes) -> bool:
        """Whether `text` begins with a refused prefix."""
        return any(text.startswith(prefix) for prefix in self._prefixes)

    def rests(self, text: bytes) -> list[bytes]:
        """What must not follow `text`, which is not refused itself."""
        return [prefix[len(text) :] for prefix in self._prefixes if prefix.startswith(text)]

    def clear(self, mask: Mask, text: bytes, speller: Speller) -> None:
        """Clear the bits of all tokens that would complete a refused prefix after `text`."""
        bits = mask.view(np.uint32)
        for rest in self.rests(text):
            ids = speller.starting_with(rest)
            np.bitwise_and.at(bits, ids >> 5, ~(np.uint32(1) << (ids & 31).astype(np.uint32)))
