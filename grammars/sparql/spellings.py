"""Lexemes as tokens of one vocabulary: fixed texts in all their splits, and what is free.

Knows texts and token ids; knows no query.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tether.grammars.sparql import lexemes
from tether.grammars.sparql.choices import Variables
from tether.grammars.vocabulary import Vocabulary

Ids = npt.NDArray[np.int64]

LONGEST_NAME = 24
"""Characters of a variable."""
_LONGEST_STRING = 64
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_WORD = re.compile(rb"[A-Za-z0-9_]+")
_NUMERIC = re.compile(rb" ?-?[0-9]*\.?[0-9]*")
_NUMBER = re.compile(rb"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_NUMBER_BEGUN = re.compile(rb"-?([0-9]{0,12}|[0-9]{1,12}\.[0-9]{0,5})")
_COUNT, _COUNT_BEGUN = re.compile(rb"[1-9][0-9]{0,5}"), re.compile(rb"([1-9][0-9]{0,4})?")
_INSIDE = re.compile(rb'[^"\\\x00-\x1f\x7f]*')
_EMPTY: Ids = np.empty(0, np.int64)


class Spellings:
    """The tokens that spell lexemes.

    Attributes:
        tokens: The bytes of each token.
        fixed: Terminal -> its texts.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.tokens = vocabulary.tokens
        self.fixed = {
            name: tuple(text.encode() for text in texts) for name, texts in lexemes.FIXED.items()
        }
        self._speller = vocabulary.speller
        self._plain = self._speller.starting_with(b"")
        lengths = [len(token) for token in self.tokens]
        self._lengths = np.array(lengths, np.int64)
        self._words = self._where(lambda data: _WORD.fullmatch(data) is not None)
        self._numeric = self._where(lambda data: _NUMERIC.fullmatch(data) is not None)
        self._letters = self._where(_is_inside)
        self._ragged = self._where(lambda data: not _is_whole(data) or data.endswith(b'"'))
        self.within = lru_cache(maxsize=4096)(self._within)
        self.beyond = lru_cache(maxsize=1024)(self._speller.longer_than)
        self._named = lru_cache(maxsize=16)(self._names_behind)

    def _within(self, rest: bytes) -> Ids:
        """The tokens that spell a beginning of `rest`, or all of it."""
        found = [self._speller.equal_to(rest[:end]) for end in range(1, len(rest) + 1)]
        return np.concatenate(found) if found else _EMPTY

    def free(self, terminal: str, lead: bytes, partial: bytes, variables: Variables | None) -> Ids:
        """The tokens that go on with a free lexeme after `partial`."""
        if variables is not None:
            return self._variable(lead, partial, variables)
        if terminal in lexemes.NUMBERS:
            return self._judged(self._numeric, terminal, lead, partial)
        opening = lead + b'"'
        if not _agree(opening, partial):
            return _EMPTY
        if len(partial) < len(opening):
            rest = opening[len(partial) :]
            longer = self._judged(self.beyond(rest), terminal, lead, partial)
            return np.concatenate([self.within(rest), longer])
        room = _LONGEST_STRING - len(partial)
        ragged = self._judged(self._ragged, terminal, lead, partial)
        if not _is_whole(partial):
            return ragged
        return np.concatenate([self._letters[self._lengths[self._letters] <= room], ragged])

    def judge(
        self, terminal: str, lead: bytes, partial: bytes, variables: Variables | None
    ) -> tuple[bool, bool]:
        """Whether a free lexeme goes on after `partial`, and whether it is whole."""
        if len(partial) <= len(lead):
            return lead.startswith(partial), False
        if not partial.startswith(lead):
            return False, False
        body = partial[len(lead) :]
        if variables is not None:
            return _judge_variable(body, variables)
        if terminal in lexemes.STRINGS:
            return _judge_string(body, len(partial))
        if terminal == "NUMBER_OF":
            return _matches(_COUNT_BEGUN, body), _matches(_COUNT, body)
        return _matches(_NUMBER_BEGUN, body), _matches(_NUMBER, body)

    def opening(self, terminal: str) -> bytes:
        """The bytes with which a free lexeme without a space can begin."""
        if terminal in lexemes.VARIABLES:
            return b"?"
        return b'"' if terminal in lexemes.STRINGS else b"-0123456789"

    def _variable(self, lead: bytes, partial: bytes, variables: Variables) -> Ids:
        opening = lead + b"?"
        found = [
            self.within(text[len(partial) :])
            for text in (opening + name.encode() for name in variables.named)
            if text.startswith(partial)
        ]
        if variables.fresh and _agree(opening, partial):
            found.append(self._fresh(opening, partial, variables))
        return np.concatenate(found) if found else _EMPTY

    def _fresh(self, opening: bytes, partial: bytes, variables: Variables) -> Ids:
        if len(partial) < len(opening):
            rest = opening[len(partial) :]
            return np.concatenate([self.within(rest), self._named(rest)])
        if len(partial) == len(opening):
            return self._named(b"")
        name = partial[len(opening) :]
        room = LONGEST_NAME - len(name)
        ids = self._words[self._lengths[self._words] <= room]
        for other in variables.banned:
            text = other.encode()
            if len(text) == LONGEST_NAME and text.startswith(name):
                ids = np.setdiff1d(ids, self._speller.equal_to(text[len(name) :]))
        return ids

    def _names_behind(self, rest: bytes) -> Ids:
        """The tokens that are `rest` and the beginning of a variable's name."""
        longer, cut = self._speller.longer_than(rest), len(rest)
        ids = [
            token
            for token in longer.tolist()
            if _NAME.fullmatch(self.tokens[token], cut)
            and len(self.tokens[token]) - cut < LONGEST_NAME
        ]
        return np.array(ids, np.int64)

    def _judged(self, ids: Ids, terminal: str, lead: bytes, partial: bytes) -> Ids:
        kept = [
            token
            for token in ids.tolist()
            if any(self.judge(terminal, lead, partial + self.tokens[token], None))
        ]
        return np.array(kept, np.int64)

    def _where(self, holds: object) -> Ids:
        assert callable(holds)
        kept = [token for token in self._plain.tolist() if holds(self.tokens[token])]
        return np.array(kept, np.int64)


def _agree(one: bytes, other: bytes) -> bool:
    """Whether one of them begins with the other."""
    return one.startswith(other) or other.startswith(one)


def _judge_variable(body: bytes, variables: Variables) -> tuple[bool, bool]:
    if body == b"?":
        return True, False
    if body[:1] != b"?" or not _NAME.fullmatch(body, 1) or len(body) > LONGEST_NAME + 1:
        return False, False
    name = body[1:].decode()
    goes_on = variables.fresh and len(name) < LONGEST_NAME
    goes_on |= any(other.startswith(name) and other != name for other in variables.named)
    return goes_on, variables.allow(name)


def _judge_string(body: bytes, length: int) -> tuple[bool, bool]:
    if body[:1] != b'"':
        return False, False
    if len(body) > 1 and body.endswith(b'"'):
        inside = body[1:-1]
        return False, _is_inside(inside) or not inside
    goes_on = _INSIDE.fullmatch(body, 1) is not None and length <= _LONGEST_STRING
    return goes_on and _may_become_whole(body), False


def _is_inside(data: bytes) -> bool:
    """Whether whole characters that may stand in a string."""
    return _INSIDE.fullmatch(data) is not None and _is_whole(data)


def _is_whole(data: bytes) -> bool:
    """Whether bytes are whole characters."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _may_become_whole(data: bytes) -> bool:
    """Whether bytes are whole characters but for an unfinished one at their end."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def _matches(pattern: re.Pattern[bytes], data: bytes) -> bool:
    return pattern.fullmatch(data) is not None
