"""The contract between what may be said and how it is said: Constraint, Matcher and All.

Knows masks as packed bits and tokens as integers; does not know any grammar, engine or model.
The laws at the end of the Matcher docstring are executable: see `tether.grammars.laws`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from tether.grammars.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tether.grammars.verbatim.spans import Quote
    from tether.graphs import Slot

Mask = npt.NDArray[np.int32]
"""Packed bits, int32 [ceil(vocab/32)]: bit t % 32 of word t // 32 is token t."""


def set_bit(mask: Mask, token: int) -> None:
    """Allow a token."""
    mask.view(np.uint32)[token >> 5] |= np.uint32(1 << (token & 31))


def clear_bit(mask: Mask, token: int) -> None:
    """Refuse a token."""
    mask.view(np.uint32)[token >> 5] &= ~np.uint32(1 << (token & 31))


def among(mask: Mask, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Those of `tokens` that the mask holds, in their order."""
    return tokens[holds(mask, tokens)]


def holds(mask: Mask, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether the mask holds each of `tokens`, bool [n]."""
    is_held: npt.NDArray[np.bool_] = (mask[tokens >> 5] >> (tokens & 31)) & 1 == 1
    return is_held


def allowed_ids(mask: Mask) -> npt.NDArray[np.int64]:
    """The tokens that the mask holds, ascending."""
    return np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))


class Matcher(ABC):
    """The state of one row under a constraint.

    The end-of-text token counts as a token: its mask bit is set exactly where `can_end` holds,
    and advancing it ends the matcher (`ended`), after which the mask is the end token alone.

    Laws, for every state reachable by allowed tokens:
      - mask = {t : prefix_length([t]) == 1}, and it is never empty;
      - rollback(n) after n advances is the identity on mask, forced and can_end;
      - each forced token is in the mask of its state;
      - fork() is independent of its origin.
    """

    vocabulary: Vocabulary

    @abstractmethod
    def fill_mask(self, out: Mask) -> None:
        """Write the tokens that keep the text completable into `out`, int32 [words], in place.

        Raises:
            DeadEnd: No token is allowed.
        """

    def mask(self) -> Mask:
        """What `fill_mask` writes, int32 [words], in an array of its own.

        Raises:
            DeadEnd: No token is allowed.
        """
        out = np.empty(self.vocabulary.num_words, dtype=np.int32)
        self.fill_mask(out)
        return out

    @abstractmethod
    def advance(self, token: int) -> None:
        """Append one token. `InternalError` if the mask does not hold it."""

    @abstractmethod
    def rollback(self, num_tokens: int) -> None:
        """Take back the last `num_tokens` advances; the exact inverse of `advance`."""

    @abstractmethod
    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many of `tokens` could be advanced from here. Changes nothing."""

    @abstractmethod
    def forced(self) -> list[int]:
        """The canonical tokens of the only possible continuation; empty where there is a choice.

        Never contains the end token. Changes nothing.
        """

    @property
    @abstractmethod
    def can_end(self) -> bool:
        """Whether the text may stop here."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether nothing but the end of the text can follow."""

    def limit(self, num_tokens: int) -> None:  # noqa: B027
        """End within `num_tokens` more tokens, whatever is chosen; no promise by default.

        Raises:
            LimitReached: The shortest known end is further away; with the number needed.
        """

    def retreat(self) -> int:
        """Leave a state that a judge refuses, or that could not be ended in time.

        To be called after advances, before the next mask.

        Returns:
            How many of the last tokens were taken back; 0 where the mask alone is exact.

        Raises:
            DeadEnd: Nothing is left to try.
        """
        return 0

    @property
    def stuck(self) -> bool:
        """Whether no token is allowed: where a product of constraints is not exact."""
        return False

    @property
    def quote(self) -> Quote | None:
        """The quote of the evidence that is going on, where there is one."""
        return None

    @property
    def slots(self) -> Sequence[Slot]:
        """The names of a graph that may be said next or go on, one entry for each reading."""
        return ()

    @property
    def num_unsettled(self) -> int:
        """How many of the last tokens `retreat` may yet take back."""
        return 0

    @abstractmethod
    def fork(self) -> Self:
        """An independent copy of this state."""

    def explain(self, token: int) -> str:
        """Why `token` is allowed or refused here, in one sentence for people."""
        text = self.vocabulary.tokens[token].decode("utf-8", "replace")
        verdict = "allowed" if self.prefix_length([token]) else "refused"
        return f"Token {token} ({text!r}) is {verdict} here."


class Constraint(ABC):
    """What may be said: compiled once, immutable, shared between threads and rows."""

    vocabulary: Vocabulary

    @property
    @abstractmethod
    def key(self) -> str:
        """A hash of everything that decides the language; equal keys mean equal constraints."""

    @abstractmethod
    def start(self) -> Matcher:
        """A matcher at the start of the text."""

    def validate(self, text: str) -> str | None:
        """Why `text` is not in the language, or None where it is. The last word before stdout."""
        matcher = self.start()
        tokens = self.vocabulary.encode(text)
        accepted = matcher.prefix_length(tokens)
        if accepted < len(tokens):
            good = self.vocabulary.decode(tokens[:accepted])
            return f"The text leaves the grammar after {good!r}."
        for token in tokens:
            matcher.advance(token)
        return None if matcher.can_end else "The text stops before the grammar allows it."
