"""All(a, b, ...): what every one of several constraints allows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from tether.errors import DeadEnd, InternalError, UsageError
from tether.grammars.constraint import Constraint, Mask, Matcher

if TYPE_CHECKING:
    from tether.grammars.verbatim.spans import Quote
    from tether.graphs import Slot


class All(Constraint):
    """The intersection of constraints over one vocabulary.

    Each mask is the AND of the members' masks. That is exact for the next token; whether a whole
    text exists in all members is known only when it is found: where the AND is empty, `fill_mask`
    raises DeadEnd naming the members.

    Raises:
        UsageError: No member, or members over different vocabularies.
    """

    def __init__(self, *members: Constraint) -> None:
        if not members:
            raise UsageError("All() needs at least one constraint.")
        self.members = members
        self.vocabulary = members[0].vocabulary
        if any(member.vocabulary.key != self.vocabulary.key for member in members):
            raise UsageError(
                "All() got constraints over different vocabularies.",
                hint="Compile each of them with the same Vocabulary.",
            )

    @property
    def key(self) -> str:
        """Hash of the members' keys, in order."""
        text = "\0".join(["All", *(member.key for member in self.members)])
        return hashlib.sha256(text.encode()).hexdigest()

    def start(self) -> AllMatcher:
        """A matcher over a matcher of each member."""
        names = [f"{type(m).__name__} {m.key[:8]}" for m in self.members]
        return AllMatcher([member.start() for member in self.members], names)

    def validate(self, text: str) -> str | None:
        """The first member's complaint."""
        complaints = (member.validate(text) for member in self.members)
        return next((complaint for complaint in complaints if complaint is not None), None)


class AllMatcher(Matcher):
    """The states of all members, kept in step."""

    def __init__(self, members: Sequence[Matcher], names: Sequence[str]) -> None:
        self.vocabulary = members[0].vocabulary
        self._members = members
        self._names = names
        self._scratch = np.zeros(self.vocabulary.num_words, dtype=np.int32)

    def fill_mask(self, out: Mask) -> None:
        """The AND of the members' masks."""
        self._members[0].fill_mask(out)
        for member in self._members[1:]:
            member.fill_mask(self._scratch)
            out &= self._scratch
        if not out.any():
            raise DeadEnd(
                f"No token satisfies all of {' and '.join(self._names)} here.",
                hint="The constraints contradict each other from this text on.",
            )

    def advance(self, token: int) -> None:
        """Advance every member."""
        if not self.prefix_length([token]):
            raise InternalError(f"Token {token} was advanced, but the mask does not hold it.")
        for member in self._members:
            member.advance(token)

    def rollback(self, num_tokens: int) -> None:
        """Roll every member back."""
        for member in self._members:
            member.rollback(num_tokens)

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """What the strictest member accepts."""
        return min(member.prefix_length(tokens) for member in self._members)

    def forced(self) -> list[int]:
        """The longest forced run of a member, as far as the others accept it."""
        runs = (member.forced() for member in self._members)
        run = max(runs, key=len)
        return run[: self.prefix_length(run)]

    @property
    def can_end(self) -> bool:
        """Whether every member may stop."""
        return all(member.can_end for member in self._members)

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow: all may stop and one has nothing more."""
        return self.can_end and any(member.ended for member in self._members)

    def retreat(self) -> int:
        """Take back in every member what one of them takes back."""
        taken = 0
        while True:
            counts = [member.retreat() for member in self._members]
            most = max(counts)
            for member, count in zip(self._members, counts, strict=True):
                member.rollback(most - count)
            if not most:
                return taken
            taken += most

    @property
    def quote(self) -> Quote | None:
        """That of the first member that has one."""
        return next((m.quote for m in self._members if m.quote is not None), None)

    @property
    def slots(self) -> Sequence[Slot]:
        """Those of the first member that has any."""
        return next((m.slots for m in self._members if m.slots), ())

    @property
    def num_unsettled(self) -> int:
        """The most of any member."""
        return max(member.num_unsettled for member in self._members)

    def fork(self) -> Self:
        """Forks of all members."""
        return type(self)([member.fork() for member in self._members], self._names)

    def explain(self, token: int) -> str:
        """The first member that refuses, or the first member's word."""
        named = zip(self._names, self._members, strict=True)
        for name, member in named:
            if not member.prefix_length([token]):
                return f"{name}: {member.explain(token)}"
        return self._members[0].explain(token)
