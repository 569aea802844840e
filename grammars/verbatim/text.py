"""Texts that are quotes as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self

import numpy as np

from tether.errors import DeadEnd, InternalError, LimitReached
from tether.grammars.constraint import Constraint, Mask, Matcher, set_bit
from tether.grammars.verbatim.evidence import Evidence
from tether.grammars.verbatim.spans import Quote, Spans
from tether.grammars.vocabulary import Vocabulary


class TextQuote(Constraint):
    """Texts that are substrings of the evidence.

    Args:
        evidence: The passages.
        vocabulary: The tokens.
        least: The fewest characters; that of the longest passage where that is shorter.
    """

    def __init__(self, evidence: Evidence, vocabulary: Vocabulary, least: int = 1) -> None:
        self.vocabulary = vocabulary
        self._evidence = evidence
        self._spans = Spans(evidence.suffixes(escaped=False), least)
        if not len(self._spans):
            raise DeadEnd("The evidence holds no character that can be quoted.")

    @property
    def key(self) -> str:
        """Hash of the evidence, the least length and the vocabulary."""
        parts = ("verbatim", self._evidence.key, str(self._spans.least), self.vocabulary.key)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def start(self) -> Matcher:
        """A matcher before the first character."""
        return TextQuoteMatcher(self.vocabulary, self._spans)

    def validate(self, text: str) -> str | None:
        """Why `text` is no quote, or None."""
        if self._evidence.find(text) is None:
            return "The text is not in the evidence."
        return None if len(text) >= self._spans.least else "The quote is too short."


class TextQuoteMatcher(Matcher):
    """The state of one row: the places of the evidence that its text may stand at."""

    def __init__(self, vocabulary: Vocabulary, spans: Spans) -> None:
        self.vocabulary = vocabulary
        self._spans = spans
        self._path = [spans.start()]
        self._num_ends = 0
        self._most: int | None = None

    @property
    def quote(self) -> Quote | None:
        """The whole text, until it has ended."""
        return None if self._num_ends else Quote(self._spans, self._path[-1])

    def fill_mask(self, out: Mask) -> None:
        """The tokens that the evidence goes on with; the end where the quote is long enough."""
        words = self.vocabulary.num_words
        if out.dtype != np.int32 or out.shape != (words,) or not out.flags.c_contiguous:
            raise InternalError(f"A mask must be contiguous int32 [{words}].")
        out[:] = 0
        if self._closing and not self.can_end:
            set_bit(out, self._shortest()[0])
        elif not self._closing and not self._num_ends:
            out[:] = self._spans.mask(self.vocabulary, self._path[-1])
        if self.can_end:
            set_bit(out, self.vocabulary.eos_id)

    def advance(self, token: int) -> None:
        """Go on along the evidence, or end."""
        if not self.prefix_length([token]):
            raise InternalError(f"Token {token} was advanced, but the mask does not hold it.")
        if token == self.vocabulary.eos_id:
            self._num_ends += 1
            return
        span = self._spans.walk(self._path[-1], self.vocabulary.tokens[token])
        assert span is not None, "prefix_length has walked it"
        self._path.append(span)

    def rollback(self, num_tokens: int) -> None:
        """Take back ends first, then the rest."""
        ends = min(num_tokens, self._num_ends)
        self._num_ends -= ends
        if num_tokens - ends >= len(self._path):
            raise InternalError(f"Cannot take back {num_tokens} tokens.")
        del self._path[len(self._path) - (num_tokens - ends) :]

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many tokens could be advanced."""
        copy = self.fork()
        return next((n for n, token in enumerate(tokens) if not copy._goes(token)), len(tokens))

    def forced(self) -> list[int]:
        """The rest of the shortest quote where there is no time for another."""
        return self._shortest() if self._closing else []

    @property
    def can_end(self) -> bool:
        """Whether the text is a quote of whole characters."""
        span = self._path[-1]
        return self._num_ends > 0 or (self._spans.may_close(span) and self._spans.is_whole(span))

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow."""
        if self._num_ends:
            return True
        return self.can_end and (self._closing or self._spans.is_over(self._path[-1]))

    def limit(self, num_tokens: int) -> None:
        """End within `num_tokens` more tokens.

        Raises:
            LimitReached: The shortest quote that is known is longer.
        """
        needed = len(self._shortest())
        if needed > num_tokens:
            raise LimitReached(
                f"The shortest quote has {needed} tokens; {num_tokens} are allowed.",
                hint=f"Allow at least {needed} tokens.",
            )
        self._most = self._count + num_tokens

    def fork(self) -> Self:
        """An independent copy."""
        copy = type(self)(self.vocabulary, self._spans)
        copy._path, copy._num_ends, copy._most = list(self._path), self._num_ends, self._most
        return copy

    @property
    def _count(self) -> int:
        return len(self._path) - 1

    @property
    def _closing(self) -> bool:
        """Whether one more token of any kind might leave too little time to end."""
        if self._most is None:
            return False
        missing = self._spans.least - self._spans.num_characters(self._path[-1])
        needed = self._spans.suffixes.widest * max(1, missing) - 1
        return self._most - self._count - 1 < needed

    def _goes(self, token: int) -> bool:
        """Advance by a token where that is allowed; whether it was."""
        if token == self.vocabulary.eos_id:
            self._num_ends += self.can_end
            return self._num_ends > 0
        text = self.vocabulary.tokens[token] if 0 <= token < self.vocabulary.size else b""
        if self._num_ends or not text or token in self.vocabulary.special_ids:
            return False
        if self._closing and self._shortest()[:1] != [token]:
            return False
        span = self._spans.walk(self._path[-1], text)
        if span is None:
            return False
        self._path.append(span)
        return True

    def _shortest(self) -> list[int]:
        """Tokens of a short way to the end."""
        if self.can_end:
            return []
        return self.vocabulary.speller.spell(self._spans.rest(self._path[-1]))


def verbatim_text(evidence: Evidence, vocab: Vocabulary, *, least: int = 1) -> Constraint:
    """Texts that are substrings of a passage of the evidence, of `least` characters or more.

    Raises:
        EvidenceError: The evidence is empty.
        DeadEnd: It holds nothing that can be quoted.
    """
    return TextQuote(evidence, vocab, least)
