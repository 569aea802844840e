"""A constraint whose judge refuses some texts late, so that they have to be taken back."""

from __future__ import annotations

from tether.grammars.constraint import Constraint, Matcher
from tether.grammars.guarded import Bytes, GuardedMatcher, Refusal


class Without(Constraint):
    """The texts of a constraint without those that begin with some."""

    def __init__(self, inner: Constraint, refused: list[str]) -> None:
        self.vocabulary = inner.vocabulary
        self._inner = inner
        self._refused = {text.encode() for text in refused}

    @property
    def key(self) -> str:
        """Of no use here."""
        return "without"

    def start(self) -> Matcher:
        """A guarded matcher, this its judge."""
        return GuardedMatcher(self._inner.start(), _Judge(self._refused))


class _Judge:
    stops = bytes(range(256))

    def __init__(self, refused: set[bytes]) -> None:
        self._refused = refused

    def start(self) -> None:
        return None

    def advance(self, state: None, text: Bytes) -> tuple[None, Refusal | None]:
        ends = [len(word) for word in self._refused if text.startswith(word)]
        return None, Refusal(0, min(ends)) if ends else None

    def accepts(self, text: bytes) -> bool:
        return not any(text.startswith(word) for word in self._refused)
