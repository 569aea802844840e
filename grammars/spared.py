"""A matcher that survives the limits of its engine: it goes on with a looser grammar.

Some grammars compile and then, many bytes into a text, need more states than the engine grants.
The text so far is then replayed in a spare grammar that holds more texts and costs less; from
there on the judge has to watch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from tether.errors import DeadEnd, GrammarError
from tether.grammars.constraint import Mask
from tether.grammars.engine import EngineConstraint, EngineMatcher, not_held

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
        self._main, self._spare, self._on_swap = main, spare, on_swap
        self._tokens: list[int] = []
        self._is_renewed = self._is_swapped = False
        super().__init__(main.vocabulary, self._begun())

    def _begun(self) -> LLMatcher:
        """The engine at the start of the text."""
        try:
            return self._main.engine()
        except GrammarError:  # too large for the engine: any JSON then, and the judge decides
            self._main, self._is_swapped = self._spare(), True
            self._on_swap()
            return self._main.engine()

    def _refill(self, out: Mask) -> None:
        """The mask of the spare grammar, where the engine has given up."""
        failure = self._failure()
        if isinstance(failure, DeadEnd):
            raise failure
        self._swap()
        self.fill_mask(out)

    def advance(self, token: int) -> None:
        """Advance; a token that the mask held and the engine cannot take makes it give up."""
        if token == self._end:
            self._end_text()
            return
        if self._num_ends or not 0 <= token < self._size:
            raise not_held(token)
        if not self._engine.consume_token(token):  # a third of the time of trying, but it breaks
            self._recover(token)
        self._tokens.append(token)

    def _recover(self, token: int) -> None:
        """Go on after the engine broke over a token: mostly one that it should not be given."""
        self._engine = self._replayed(self._main)
        if not self._engine.validate_tokens([token]) and not self._engine.is_error():
            raise not_held(token)
        self._swap()
        if not self._engine.consume_token(token):
            self._swap()
            if not self._engine.consume_token(token):
                raise self._failure()

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
        copied = super().fork()
        copied._tokens = list(self._tokens)
        return copied

    def _swap(self) -> None:
        """Replay the text: once with a lexer of its own, then in the spare grammar."""
        if self._is_swapped:
            raise self._failure()
        if not self._is_renewed and self._renew():
            return
        self._main, self._is_swapped = self._spare(), True
        self._engine = self._replayed(self._main)
        if self._engine.is_error():
            raise self._failure()
        self._on_swap()

    def _renew(self) -> bool:
        """Replay the text with a new lexer; whether that goes well."""
        self._is_renewed = True
        self._main.renew()
        try:
            self._engine = self._replayed(self._main)
        except GrammarError:  # it had just enough fuel to be read once
            return False
        return not self._engine.is_error()

    def _replayed(self, constraint: EngineConstraint) -> LLMatcher:
        """An engine after the text so far."""
        engine = constraint.engine()
        engine.consume_tokens(self._tokens)
        return engine
