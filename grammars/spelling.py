"""Bytes cut into tokens without a tokenizer, and which tokens begin with given bytes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tether.errors import UsageError

_MOST_TAILS = 64
"""Prefixes whose tails are kept; of a short one there are as many as half of the vocabulary."""


class Tails(NamedTuple):
    """The tokens that begin with some bytes and go on, with what they go on with, in tokens.

    Attributes:
        ids: int64 [n]; those whose tail no tokens spell are left out.
        firsts: int64 [n], the first token of each one's tail.
        longer: Tails of more than one token, by id.
    """

    ids: npt.NDArray[np.int64]
    firsts: npt.NDArray[np.int64]
    longer: dict[int, list[int]]


class Speller:
    """Sorted token bytes.

    Args:
        tokens: Token id -> bytes, not empty; where two ids share their bytes the lower one spells.
    """

    def __init__(self, tokens: Mapping[int, bytes]) -> None:
        order = sorted(sorted(tokens), key=tokens.__getitem__)  # stable: the lower id first
        self._bytes = [tokens[t] for t in order]
        self._ids = np.array(order, dtype=np.int64)
        self._lookup = {tokens[t]: t for t in reversed(order)}
        self._longest = max(map(len, self._lookup), default=0)
        self._tails: dict[bytes, Tails] = {}

    def spell(self, data: bytes) -> list[int]:
        """Token ids of `data`, the longest token first at each place.

        Raises:
            UsageError: No token begins where the text goes on.
        """
        result: list[int] = []
        at = 0
        while at < len(data):
            for end in range(min(len(data), at + self._longest), at, -1):
                token = self._lookup.get(data[at:end])
                if token is not None:
                    break
            else:
                raise UsageError(
                    f"No token of the vocabulary covers byte {data[at]:#04x} at offset {at}.",
                    hint="Use a vocabulary with all 256 single-byte tokens.",
                )
            result.append(token)
            at = end
        return result

    def starting_with(self, prefix: bytes) -> npt.NDArray[np.int64]:
        """Ids, int64 [n], of the tokens that begin with `prefix`."""
        return self._between(prefix, successor(prefix))

    def equal_to(self, data: bytes) -> npt.NDArray[np.int64]:
        """Ids, int64 [n], of the tokens that are `data`."""
        return self._between(data, data + b"\x00")

    def longer_than(self, prefix: bytes) -> npt.NDArray[np.int64]:
        """Ids, int64 [n], of the tokens that begin with `prefix` and go on after it."""
        return self._between(prefix + b"\x00", successor(prefix))

    def tails(self, prefix: bytes) -> Tails:
        """What the tokens that are `longer_than(prefix)` go on with; kept for the next time."""
        found = self._tails.get(prefix)
        if found is None:
            if len(self._tails) >= _MOST_TAILS:
                self._tails.clear()
            found = self._tails[prefix] = self._cut(prefix)
        return found

    def _cut(self, prefix: bytes) -> Tails:
        low = bisect_left(self._bytes, prefix + b"\x00")
        said: dict[int, list[int]] = {}
        for place, token in enumerate(self.longer_than(prefix).tolist(), low):
            with suppress(UsageError):
                said[token] = self.spell(self._bytes[place][len(prefix) :])
        firsts = np.array([tokens[0] for tokens in said.values()], dtype=np.int64)
        longer = {token: tokens for token, tokens in said.items() if len(tokens) > 1}
        return Tails(np.array(list(said), dtype=np.int64), firsts, longer)

    def _between(self, low: bytes, high: bytes | None) -> npt.NDArray[np.int64]:
        """Ids of the tokens from `low` up to but not `high`."""
        last = len(self._bytes) if high is None else bisect_left(self._bytes, high)
        return self._ids[bisect_left(self._bytes, low) : last]


def successor(prefix: bytes) -> bytes | None:
    """The least byte string above everything that begins with `prefix`; None where none is."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
