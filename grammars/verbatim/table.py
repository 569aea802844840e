"""The tokens of a vocabulary by what they add to a quote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tether.grammars.vocabulary import Vocabulary

Ids = npt.NDArray[np.int64]

_STOP = re.compile(rb'["\\]')
_PLAIN_REST = re.compile(rb'[\s,:\]}]*"?')
"""What may follow a quote in its token without beginning another value's text."""


@dataclass(frozen=True, slots=True)
class Level:
    """The pieces of one length, as children of those that are a byte shorter.

    Attributes:
        parents: int64 [n]; places in the level above.
        bytes: uint8 [n]; the last byte of each piece.
        within, closing: (places, token ids), int64 [m] each: the tokens that say such a piece,
            and those that close the quote after it.
    """

    parents: Ids
    bytes: npt.NDArray[np.uint8]
    within: tuple[Ids, Ids]
    closing: tuple[Ids, Ids]


@dataclass(frozen=True, slots=True)
class Table:
    """Tokens by their piece: the bytes that come before the quote's end.

    Attributes:
        within: The tokens that are a piece as a whole.
        closing: The tokens that end the quote after a piece, which may be empty.
        known: Every beginning of a piece.
        levels: The pieces as a trie, breadth first.
        risky: Closing tokens that go on with more than punctuation: only a walk can judge them.
    """

    within: dict[bytes, list[int]]
    closing: dict[bytes, list[int]]
    known: frozenset[bytes]
    levels: tuple[Level, ...]
    risky: frozenset[int]


def table(vocabulary: Vocabulary, *, escaped: bool, after_backslash: bool = False) -> Table:
    """The table of a vocabulary; made once.

    Args:
        vocabulary: The tokens.
        escaped: Whether quotes are JSON strings; else no token closes one.
        after_backslash: Whether a backslash came last.
    """
    return _table(vocabulary, escaped, after_backslash)


@lru_cache(maxsize=16)
def _table(vocabulary: Vocabulary, escaped: bool, after_backslash: bool) -> Table:
    within: dict[bytes, list[int]] = {}
    closing: dict[bytes, list[int]] = {}
    risky = set()
    for token, text in enumerate(vocabulary.tokens):
        if not text or token in vocabulary.special_ids:
            continue
        end = string_end(text, after_backslash) if escaped else len(text)
        if end == len(text):
            within.setdefault(text, []).append(token)
            continue
        closing.setdefault(text[:end], []).append(token)
        if not _PLAIN_REST.fullmatch(text, end + 1):
            risky.add(token)
    known, levels = _trie(within, closing)
    return Table(within, closing, known, levels, frozenset(risky))


def string_end(text: bytes, after_backslash: bool) -> int:
    """Where the quote is that ends a JSON string; the length of `text` where it goes on."""
    at = int(after_backslash)
    while match := _STOP.search(text, at):
        if match[0] == b'"':
            return match.start()
        at = match.end() + 1
    return len(text)


def _trie(
    within: dict[bytes, list[int]], closing: dict[bytes, list[int]]
) -> tuple[frozenset[bytes], tuple[Level, ...]]:
    """Every beginning of a piece, and the same by length."""
    pieces = sorted(within.keys() | closing.keys())
    known, nodes = {b""}, [_Nodes() for _ in range(max(map(len, pieces), default=0))]
    for piece in pieces:
        for length in range(len(piece), 0, -1):
            if piece[:length] in known:
                break
            known.add(piece[:length])
        else:
            length = 0
        for at in range(length, len(piece)):
            nodes[at].parents.append(len(nodes[at - 1].bytes) - 1 if at else 0)
            nodes[at].bytes.append(piece[at])
        if piece:
            nodes[len(piece) - 1].end(within.get(piece, ()), closing.get(piece, ()))
    return frozenset(known), tuple(level.frozen() for level in nodes)


class _Nodes:
    """A level that is being made; pieces come sorted, so a parent is the newest of its level."""

    def __init__(self) -> None:
        self.parents: list[int] = []
        self.bytes = bytearray()
        self._within: list[tuple[int, int]] = []
        self._closing: list[tuple[int, int]] = []

    def end(self, within: Iterable[int], closing: Iterable[int]) -> None:
        """The tokens of the newest piece."""
        here = len(self.bytes) - 1
        self._within += ((here, token) for token in within)
        self._closing += ((here, token) for token in closing)

    def frozen(self) -> Level:
        """The level as arrays."""
        parents = np.array(self.parents, dtype=np.int64)
        last = np.frombuffer(bytes(self.bytes), dtype=np.uint8)
        return Level(parents, last, _columns(self._within), _columns(self._closing))


def _columns(pairs: list[tuple[int, int]]) -> tuple[Ids, Ids]:
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
