"""The constraint that nothing satisfies: it says why, and allows no token."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self

from tether.errors import DeadEnd, InternalError
from tether.grammars.constraint import Constraint, Mask, Matcher
from tether.grammars.vocabulary import Vocabulary


class DeadConstraint(Constraint):
    """No text at all.

    Args:
        vocabulary: The tokens.
        message: Why nothing can be said, as a sentence.
        hint: What to change.
    """

    def __init__(self, vocabulary: Vocabulary, message: str, hint: str) -> None:
        self.vocabulary = vocabulary
        self.message = message
        self.hint = hint

    @property
    def key(self) -> str:
        """Hash of the reason."""
        return hashlib.sha256(f"dead\0{self.message}".encode()).hexdigest()

    def start(self) -> Matcher:
        """A matcher that allows nothing."""
        return DeadMatcher(self)

    def validate(self, text: str) -> str | None:
        """The reason, whatever the text."""
        return self.message


class DeadMatcher(Matcher):
    """The one state of a DeadConstraint."""

    def __init__(self, constraint: DeadConstraint) -> None:
        self.vocabulary = constraint.vocabulary
        self._constraint = constraint

    def fill_mask(self, out: Mask) -> None:
        """Raise DeadEnd with the reason."""
        raise DeadEnd(self._constraint.message, hint=self._constraint.hint)

    def limit(self, num_tokens: int) -> None:
        """Raise DeadEnd with the reason: no budget is enough."""
        raise DeadEnd(self._constraint.message, hint=self._constraint.hint)

    def advance(self, token: int) -> None:
        """No token is allowed."""
        raise InternalError(f"Token {token} was advanced, but the mask does not hold it.")

    def rollback(self, num_tokens: int) -> None:
        """There is nothing to take back."""
        if num_tokens:
            raise InternalError(f"Cannot take back {num_tokens} tokens.")

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """None of them."""
        return 0

    def forced(self) -> list[int]:
        """Nothing is forced."""
        return []

    @property
    def can_end(self) -> bool:
        """Not even the empty text."""
        return False

    @property
    def ended(self) -> bool:
        """It never began."""
        return False

    def fork(self) -> Self:
        """Another one."""
        return type(self)(self._constraint)
