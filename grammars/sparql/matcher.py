"""The matcher of queries over a graph: masks, forced tokens, and what the store refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Self

import numpy as np

from tether.errors import DeadEnd, GrammarError, InternalError
from tether.grammars.constraint import Mask, Matcher, set_bit
from tether.grammars.guarded import Bytes, GuardedMatcher, Refusal
from tether.grammars.sparql.lookup import Slot
from tether.grammars.sparql.progress import Host, Progress, is_proved
from tether.grammars.sparql.text import check_size
from tether.grammars.sparql.writer import State, Thread, Writer
from tether.grammars.vocabulary import Vocabulary

_MOST_FORCED = 64


class WritingMatcher(Matcher):
    """One query, lexeme by lexeme; a state that the store refuses allows nothing more."""

    def __init__(self, vocabulary: Vocabulary, writer: Writer, host: Host) -> None:
        self.vocabulary = vocabulary
        self._writer = writer
        self._states = [State((Thread(Progress.start(host), 0),))]
        self._num_ends = 0

    @property
    def thread(self) -> Thread | None:
        """The first reading of the text; None where it is refused."""
        threads = self._states[-1].threads
        return threads[0] if threads and not self._num_ends else None

    @property
    def refusal(self) -> Refusal | None:
        """Why nothing goes on here."""
        return self._states[-1].refusal

    def fill_mask(self, out: Mask) -> None:
        """Set the bits of the tokens that some reading of the text takes."""
        if out.dtype != np.int32 or out.shape != (self.vocabulary.num_words,):
            raise InternalError(f"A mask must be contiguous int32 [{self.vocabulary.num_words}].")
        if not out.flags.c_contiguous:
            raise InternalError("A mask must be contiguous.")
        if self._num_ends:
            out[:] = 0
        else:
            out.view(np.uint8)[:] = self._writer.mask(self._states[-1])
        if self.can_end:
            set_bit(out, self.vocabulary.eos_id)
        if not out.any():
            raise DeadEnd("No name of the graph and no word of SPARQL goes on here.")

    def advance(self, token: int) -> None:
        """Consume one token."""
        if not self._take(token):
            raise InternalError(f"Token {token} was advanced, but the mask does not hold it.")

    def rollback(self, num_tokens: int) -> None:
        """Take back end tokens first, then states."""
        if num_tokens > len(self._states) - 1 + self._num_ends:
            raise InternalError(f"Cannot take back {num_tokens} tokens.")
        ends = min(num_tokens, self._num_ends)
        self._num_ends -= ends
        if num_tokens - ends:
            del self._states[ends - num_tokens :]

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many tokens could be advanced."""
        taken = 0
        for token in tokens:
            if not self._take(token):
                break
            taken += 1
        self.rollback(taken)
        return taken

    def forced(self) -> list[int]:
        """Tokens without an alternative, and fixed texts in their canonical tokens."""
        before = len(self._states)
        tokens: list[int] = []
        while len(tokens) < _MOST_FORCED and not self.can_end:
            run = self._forced_run()
            if not run:
                break
            for token in run:
                self.advance(token)
            tokens += run
            if self.refusal is not None:
                break
        self.rollback(len(self._states) - before)
        return tokens

    @property
    def can_end(self) -> bool:
        """Whether the query is whole."""
        return self._num_ends > 0 or self._states[-1].can_end

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow."""
        if self._num_ends:
            return True
        return self.can_end and not self._writer.allowed(self._states[-1]).size

    @property
    def is_proved(self) -> bool:
        """Whether the text as it stands is a query of which the graph is known to have a row."""
        return any(is_proved(thread.progress) for thread in self._states[-1].threads)

    @property
    def slots(self) -> Sequence[Slot]:
        """The names that may begin or go on here."""
        return () if self._num_ends else tuple(self._writer.slots(self._states[-1]))

    @property
    def stuck(self) -> bool:
        """Whether no token is allowed."""
        return not self.can_end and not self._writer.allowed(self._states[-1]).size

    def fork(self) -> Self:
        """A copy; states are values."""
        copy = object.__new__(type(self))
        copy.vocabulary, copy._writer = self.vocabulary, self._writer
        copy._states, copy._num_ends = list(self._states), self._num_ends
        return copy

    def _take(self, token: int) -> bool:
        if token == self.vocabulary.eos_id:
            self._num_ends += self.can_end
            return self._num_ends > 0
        if self._num_ends or not 0 <= token < self.vocabulary.size:
            return False
        if token in self.vocabulary.special_ids or not self.vocabulary.tokens[token]:
            return False
        state = self._writer.step(self._states[-1], token)
        if state is not None:
            self._states.append(state)
        return state is not None

    def _forced_run(self) -> list[int]:
        """The next tokens that must follow, if it is known at once."""
        state = self._states[-1]
        allowed = self._writer.allowed(state)
        if allowed.size == 1:
            return [int(allowed[0])]
        text = self._writer.only_text(state)
        if not text:
            return []
        tokens = self.vocabulary.encode(text.decode())
        return tokens[: self._unambiguous(tokens)]

    def _unambiguous(self, tokens: list[int]) -> int:
        """How many of these tokens no longer allowed token could replace."""
        taken = 0
        kept = len(tokens)
        for place, token in enumerate(tokens):
            rest = self.vocabulary.decode_bytes(tokens[place:])
            rivals = self.vocabulary.speller.longer_than(rest)
            if np.intersect1d(rivals, self._writer.allowed(self._states[-1])).size:
                kept = place
                break
            if not self._take(token):
                kept = place
                break
            taken += 1
        self.rollback(taken)
        return kept


class QueryMatcher(GuardedMatcher):
    """`WritingMatcher` with what the store refuses taken back."""

    _inner: WritingMatcher

    @property
    def thread(self) -> Thread | None:
        """The inner matcher's."""
        return self._inner.thread

    def advance(self, token: int) -> None:
        """Advance; a refusal of the store is one of the judge's."""
        super().advance(token)
        self._refusal = self._refusal or self._inner.refusal

    @property
    def can_end(self) -> bool:
        """Whether the query is whole and good; the judge is told what is proved already."""
        if not self._refusal and self._inner.can_end and self._inner.is_proved:
            assert isinstance(self.judge, EndJudge)
            self.judge.prove(self.text)
        return super().can_end


class EndJudge:
    """The judge of whole queries; before their end it refuses only what grows too large.

    Args:
        refuse: Says why a whole text is no good, or None.
        proved: Is told the texts of which the graph has a row.
    """

    stops = b"([{}"

    def __init__(
        self, refuse: Callable[[str], str | None], proved: Callable[[str], None] | None = None
    ) -> None:
        self._accepts = lru_cache(maxsize=8)(lambda text: refuse(_text(text)) is None)
        self._proved = proved

    def prove(self, text: bytes) -> None:
        """Note that the graph has a row for a query."""
        if self._proved is not None:
            self._proved(_text(text))

    def start(self) -> None:
        """No state."""

    def advance(self, state: None, text: Bytes) -> tuple[None, Refusal | None]:
        """Refuse a bracket too many."""
        try:
            check_size(_text(text))
        except GrammarError:
            return None, Refusal(len(text) - 1, len(text))
        return None, None

    def accepts(self, text: bytes) -> bool:
        """Whether the query is good."""
        return self._accepts(text)


def _text(data: Bytes) -> str:
    return data.decode("utf-8", "replace")
