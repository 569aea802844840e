"""A matcher of JSON text in which some strings are quotes of the evidence.

Knows masks, bytes and JSON's punctuation. What is a quote, and what is filled in for the model, is
asked by the path of a value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, Self

import numpy as np

from tether.errors import DeadEnd, InternalError
from tether.grammars.constraint import Mask, Matcher, among, clear_bit
from tether.grammars.json_schema.scanner import State, path, scan
from tether.grammars.verbatim.spans import Quote, Span, Spans
from tether.grammars.verbatim.table import Ids, string_end, table
from tether.grammars.vocabulary import Vocabulary

Path = tuple[str | int, ...]
_AFTER_BARE = frozenset(b" \t\n\r,]}")


class Slots(Protocol):
    """What is asked of the values of one JSON text."""

    @property
    def fills(self) -> bool:
        """Whether any value is filled in."""

    @property
    def exact(self) -> bool:
        """Whether a quote that may go on can always be ended as the whole schema asks."""

    def quotes(self, where: Path) -> Spans | None:
        """What the string at a path may quote; None where it may be any text."""

    def filled(self, where: Path, quotes: Sequence[tuple[Path, str]]) -> bytes | None:
        """The JSON text of a value that is filled in, beside the quotes that were said."""


class Track(NamedTuple):
    """A place in a text.

    Attributes:
        state: Where in JSON; inside a quote it stays where the quote began.
        spans: What the string that is going on may quote; None in all others.
        span: How far it has come.
        rest: What is left of a value that is filled in; None elsewhere.
        bare: Whether a filled value that has no end of its own has just been said.
        quotes: Paths and texts of the quotes so far.
    """

    state: State = State()
    spans: Spans | None = None
    span: Span = Span(0, 0, 0)
    rest: bytes | None = None
    bare: bool = False
    quotes: tuple[tuple[Path, str], ...] = ()


class QuotingMatcher(Matcher):
    """`inner`, whose strings at some places are quotes.

    Args:
        inner: A matcher of JSON.
        slots: Which strings, of what.
    """

    def __init__(self, inner: Matcher, slots: Slots) -> None:
        self.vocabulary = inner.vocabulary
        self._inner, self._slots = inner, slots
        self._text = bytearray()
        self._tracks = [(0, Track())]

    @property
    def quote(self) -> Quote | None:
        """The quote that is going on."""
        track = self._tracks[-1][1]
        return None if track.spans is None else Quote(track.spans, track.span)

    def fill_mask(self, out: Mask) -> None:
        """The inner mask without what leads away from every quote."""
        self._inner.fill_mask(out)
        self._restrict(out)
        if not out.any():
            raise DeadEnd(
                "No text of the evidence satisfies the schema here.",
                hint="Loosen what the schema asks of its verbatim strings, or give more evidence.",
            )

    def advance(self, token: int) -> None:
        """Advance, and follow the quote."""
        track: Track | None = self._tracks[-1][1]
        if not 0 <= token < self.vocabulary.size:
            track = None
        elif token != self.vocabulary.eos_id:
            track = self._after(self._tracks[-1][1], self._text, self.vocabulary.tokens[token])
        if track is None:
            raise InternalError(f"Token {token} was advanced, but the mask does not hold it.")
        self._inner.advance(token)
        if token != self.vocabulary.eos_id:
            self._text += self.vocabulary.tokens[token]
        self._tracks.append((len(self._text), track))

    def rollback(self, num_tokens: int) -> None:
        """Take back advances."""
        self._inner.rollback(num_tokens)
        if num_tokens:
            del self._tracks[-num_tokens:]
            del self._text[self._tracks[-1][0] :]

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many tokens the inner matcher and the evidence would allow."""
        accepted = self._inner.prefix_length(tokens)
        track, text = self._tracks[-1][1], bytearray(self._text)
        for number, token in enumerate(tokens[:accepted]):
            if token == self.vocabulary.eos_id:
                return accepted
            after = self._after(track, text, self.vocabulary.tokens[token])
            if after is None:
                return number
            track = after
            text += self.vocabulary.tokens[token]
        return accepted

    def forced(self) -> list[int]:
        """What is left of a filled value, else the inner matcher's forced tokens."""
        rest = self._tracks[-1][1].rest
        run = self.vocabulary.encode(rest.decode()) if rest else self._inner.forced()
        return run[: self.prefix_length(run)]

    @property
    def can_end(self) -> bool:
        """Whether the inner matcher may stop."""
        return self._inner.can_end

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow."""
        return self._inner.ended

    @property
    def stuck(self) -> bool:
        """Whether the inner mask and the evidence have no token in common."""
        if self._slots.exact or self.ended:
            return False
        out = self._inner.mask()
        self._restrict(out)
        return not out.any()

    def fork(self) -> Self:
        """An independent copy."""
        copy = type(self)(self._inner.fork(), self._slots)
        copy._text, copy._tracks = bytearray(self._text), list(self._tracks)
        return copy

    def explain(self, token: int) -> str:
        """The inner matcher's word, or that no quote goes on so."""
        allowed = self._inner.prefix_length([token]) and not self.prefix_length([token])
        return self._inner.explain(token) + (" No quote goes on so." if allowed else "")

    def _restrict(self, out: Mask) -> None:
        """Clear what only the evidence refuses."""
        track = self._tracks[-1][1]
        doubtful = self._doubtful(track, out)
        if track.spans is not None:
            out &= track.spans.mask(self.vocabulary, track.span)
        for token in among(out, doubtful):
            if self._after(track, self._text, self.vocabulary.tokens[token]) is None:
                clear_bit(out, int(token))

    def _doubtful(self, track: Track, out: Mask) -> Ids:
        """The tokens that have to be walked through one by one."""
        if track.spans is not None:
            return _risky(self.vocabulary, track.spans.is_escaping(track.span))
        if track.rest is None and track.state.place == "string":
            return _risky(self.vocabulary, track.state.is_escaped)
        if self._slots.fills:
            return _spoken(self.vocabulary)
        return _opening(self.vocabulary)

    def _after(self, track: Track, text: bytearray, piece: bytes) -> Track | None:
        """The place after `text + piece`, or None where the evidence refuses it."""
        whole, at = bytes(text) + piece, len(text)
        after: Track | None = track
        while after is not None and at < len(whole):
            after, at = self._further(after, whole, at)
        return after

    def _further(self, track: Track, text: bytes, at: int) -> tuple[Track | None, int]:
        """Past the next stretch of one kind, and where it ends."""
        if track.spans is not None:
            return self._quoted(track, track.spans, text, at)
        if track.bare and text[at] not in _AFTER_BARE:
            return None, at
        if track.rest is not None:
            return _filled(track, track.rest, text, at)
        end = at + 1
        if track.state.place == "string":
            end = min(len(text), at + string_end(text[at:], track.state.is_escaped) + 1)
        state, _ = scan(track.state, text[:end])
        return self._entered(track._replace(state=state, bare=False)), end

    def _quoted(self, track: Track, spans: Spans, text: bytes, at: int) -> tuple[Track | None, int]:
        """Along a quote, and out of it where it closes."""
        end = at + string_end(text[at:], spans.is_escaping(track.span))
        span = spans.walk(track.span, text[at:end])
        if span is None or end == len(text):
            return (None if span is None else track._replace(span=span)), end
        if not spans.may_close(span):
            return None, end
        quotes = track.quotes
        if self._slots.fills:
            said = json.loads(text[track.state.start : end + 1])
            quotes = (*quotes, (_where(track.state), said))
        return Track(scan(track.state, text[: end + 1])[0], quotes=quotes), end + 1

    def _entered(self, track: Track) -> Track | None:
        """The place, where a quote or a filled value may have begun."""
        state = track.state
        if state.place == "value" and self._slots.fills and track.rest is None:
            return track._replace(rest=self._slots.filled(_where(state), track.quotes))
        if state.place != "string" or state.is_key or state.length != state.start + 1:
            return track
        spans = self._slots.quotes(_where(state))
        if spans is None:
            return track
        return track._replace(spans=spans, span=spans.start()) if len(spans) else None


def _filled(track: Track, rest: bytes, text: bytes, at: int) -> tuple[Track | None, int]:
    """Along a value that is filled in."""
    end = min(len(text), at + len(rest))
    if not rest.startswith(text[at:end]):
        return None, end
    state, _ = scan(track.state, text[:end])
    left = rest[end - at :] or None
    is_bare = left is None and state.place == "bare"
    return track._replace(state=state, rest=left, bare=is_bare), end


def _where(state: State) -> Path:
    """The path of the value that begins or goes on here."""
    frame = state.frame
    if frame is None:
        return ()
    last: str | int = json.loads(frame.keys[-1]) if frame.is_object else frame.num_closed
    return (*path(frame), last)


@lru_cache(maxsize=16)
def _risky(vocabulary: Vocabulary, after_backslash: bool) -> Ids:
    """Tokens that end a string and go on with more than punctuation."""
    risky = table(vocabulary, escaped=True, after_backslash=after_backslash).risky
    return np.array(sorted(risky), dtype=np.int64)


@lru_cache(maxsize=8)
def _opening(vocabulary: Vocabulary) -> Ids:
    """Tokens that may begin a string."""
    return np.array(
        [t for t in _spoken(vocabulary) if b'"' in vocabulary.tokens[t]], dtype=np.int64
    )


@lru_cache(maxsize=8)
def _spoken(vocabulary: Vocabulary) -> Ids:
    """Tokens that stand for text."""
    spoken = (t for t, text in enumerate(vocabulary.tokens) if text)
    return np.array([t for t in spoken if t not in vocabulary.special_ids], dtype=np.int64)
