"""A matcher that survives the limits of its engine: it goes on with a looser grammar.

Some grammars compile and then, many bytes into a text, need more states than the engine grants.
The text so far is then replayed in a spare grammar that holds more texts and costs less; from
there on the judge has to watch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Self

from tether.errors import DeadEnd, InternalError
from tether.grammars.constraint import Mask
from tether.grammars.engine import EngineConstraint, EngineMatcher

if TYPE_CHECKING:
    from llguidance import LLMatcher


class SparedMatcher(EngineMatcher):
    """An EngineMatcher with a spare grammar.

    Args:
        main: The grammar to begin with.
        spare: Makes the looser grammar; called when the engine gives up, and once for all.
        on_swap: Told that the spare one is used from now on.
    """

    def __init__(
        self,
        main: EngineConstraint,
        spare: Callable[[], EngineConstraint],
        on_swap: Callable[[], None],
    ) -> None:
        super().__init__(main.vocabulary, main.engine())
        self._spare, self._on_swap = spare, on_swap
        self._tokens: list[int] = []
        self._is_swapped = False

    def fill_mask(self, out: Mask) -> None:
        """The mask, of the spare grammar where the engine has given up."""
        try:
            super().fill_mask(out)
        except DeadEnd:
            raise
        except InternalError:
            self._swap()
            super().fill_mask(out)

    def advance(self, token: int) -> None:
        """Advance; a token that the mask held and the engine cannot take makes it give up."""
        if token != self.vocabulary.eos_id and self._take(token):
            self._tokens.append(token)
            return
        try:
            super().advance(token)
        except InternalError:
            if not self._engine.is_error() and not super().prefix_length([token]):
                raise
            self._swap()
            super().advance(token)
        if token != self.vocabulary.eos_id:
            self._tokens.append(token)

    def rollback(self, num_tokens: int) -> None:
        """Take back end tokens first, then the engine's."""
        kept = len(self._tokens) - max(0, num_tokens - self._num_ends)
        super().rollback(num_tokens)
        del self._tokens[kept:]

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many tokens could be advanced."""
        accepted = super().prefix_length(tokens)
        if not self._engine.is_error():
            return accepted
        self._swap()
        return super().prefix_length(tokens)

    def forced(self) -> list[int]:
        """The engine's forced tokens."""
        tokens = super().forced()
        if not self._engine.is_error():
            return tokens
        self._swap()
        return super().forced()

    def fork(self) -> Self:
        """A copy with a state of its own."""
        copied = copy(self)
        copied._engine, copied._tokens = self._engine.deep_copy(), list(self._tokens)
        return copied

    def _swap(self) -> None:
        """Replay the text in the spare grammar."""
        if self._is_swapped:
            raise self._failure()
        engine: LLMatcher = self._spare().engine()
        if engine.try_consume_tokens(self._tokens) != len(self._tokens):
            raise self._failure()
        self._engine, self._is_swapped = engine, True
        self._on_swap()
