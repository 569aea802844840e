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


@lru_cache(maxsize=16)
def table(vocabulary: Vocabulary, *, escaped: bool, after_backslash: bool = False) -> Table:
    """The table of a vocabulary.

    Args:
        vocabulary: The tokens.
        escaped: Whether quotes are JSON strings; else no token closes one.
        after_backslash: Whether a backslash came last.
    """
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
    pieces = within.keys() | closing.keys()
    known = frozenset(piece[:n] for piece in pieces for n in range(len(piece) + 1))
    return Table(within, closing, known, _levels(known, within, closing), frozenset(risky))


def string_end(text: bytes, after_backslash: bool) -> int:
    """Where the quote is that ends a JSON string; the length of `text` where it goes on."""
    at = int(after_backslash)
    while match := _STOP.search(text, at):
        if match[0] == b'"':
            return match.start()
        at = match.end() + 1
    return len(text)


def _levels(
    known: Iterable[bytes], within: dict[bytes, list[int]], closing: dict[bytes, list[int]]
) -> tuple[Level, ...]:
    by_length: dict[int, list[bytes]] = {}
    for piece in known:
        by_length.setdefault(len(piece), []).append(piece)
    places = {b"": 0}
    levels = []
    for length in range(1, len(by_length)):
        pieces = by_length[length]
        parents = [places[piece[:-1]] for piece in pieces]
        places = {piece: place for place, piece in enumerate(pieces)}
        last = np.frombuffer(b"".join(piece[-1:] for piece in pieces), dtype=np.uint8)
        said = _listed(pieces, within), _listed(pieces, closing)
        levels.append(Level(np.array(parents, dtype=np.int64), last, *said))
    return tuple(levels)


def _listed(pieces: list[bytes], tokens: dict[bytes, list[int]]) -> tuple[Ids, Ids]:
    """(place, token) of every token of these pieces."""
    pairs = [(at, token) for at, piece in enumerate(pieces) for token in tokens.get(piece, ())]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
