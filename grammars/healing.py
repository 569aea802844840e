"""Token healing: the end of a prompt is said again, in whatever tokens, before the text begins.

A prompt may end inside what the tokenizer would have made one token; going on from its last token
would push the model off what it learnt. Those last tokens are therefore taken off, and what is said
first has to begin with their bytes. Source: the technique of guidance, with llguidance's rule of
looking back (its docs/fast_forward.md); a token may here run on into the constrained text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from tether.errors import InternalError, UsageError
from tether.grammars.constraint import Mask, Matcher, holds
from tether.grammars.vocabulary import Vocabulary

LOOK_BACK = 4
"""Tokens at the end of a prompt that a longer one may swallow."""


def num_unhealed(vocabulary: Vocabulary, prompt: Sequence[int]) -> int:
    """How many of the last tokens of a prompt to say again, so that any token can be said there.

    Of up to `LOOK_BACK` tokens it is those from the first one inside of which some token could
    begin that goes on after the prompt. One token of the prompt stays, and special tokens, which
    are no text.
    """
    count, data = 0, b""
    for number, token in enumerate(reversed(prompt[1:][-LOOK_BACK:]), 1):
        piece = vocabulary.tokens[token]
        if token in vocabulary.special_ids or not piece:
            break
        if any(vocabulary.speller.longer_than(piece[at:] + data).size for at in range(len(piece))):
            count = number
        data = piece + data
    return count


def most_tokens(again: Sequence[int]) -> int:
    """In how many tokens that text may be said: cut elsewhere, it may need one more."""
    return len(again) + 1 if again else 0


class _Mark(NamedTuple):
    """Bytes yet to be said again, tokens left for them, and what `inner` took for this token."""

    num_bytes: int
    num_left: int
    num_inner: int = 0


class HealingMatcher(Matcher):
    """`inner` behind bytes that have to be said first and are no part of its text.

    They are said in at most `most_tokens`, so a budget of `inner` holds.

    Args:
        vocabulary: The tokens.
        again: The tokens whose bytes are said first.
        inner: What may be said after them. None is anything: it has no mask once `healed`.
    """

    def __init__(self, vocabulary: Vocabulary, again: Sequence[int], inner: Matcher | None) -> None:
        self.vocabulary = vocabulary
        self._again, self._inner = tuple(again), inner
        self._data = vocabulary.decode_bytes(again)
        self._marks = [_Mark(len(self._data), most_tokens(self._again))]

    @property
    def healed(self) -> bool:
        """Whether all bytes are said again."""
        return not self._marks[-1].num_bytes

    def fill_mask(self, out: Mask) -> None:
        """Tokens inside of what is to be said again, and those that run past its end."""
        if self.healed:
            self._rest().fill_mask(out)
            return
        mark = self._marks[-1]
        bits = np.zeros(self.vocabulary.num_words * 32, dtype=np.uint8)
        bits[self._beyond(mark)] = 1
        for tokens in self._inside(mark):
            bits[tokens] = 1
        out[:] = np.packbits(bits, bitorder="little").view(np.int32)

    def advance(self, token: int) -> None:
        """Say bytes again; what goes past them is the inner matcher's."""
        step = self._step(self._marks[-1], token)
        if step is None or (len(step[1]) > 1 and not self._takes(step[1])):
            raise InternalError(f"Token {token} was advanced, but the mask does not hold it.")
        mark, said = step
        for each in said:
            self._rest().advance(each)
        self._marks.append(mark)

    def rollback(self, num_tokens: int) -> None:
        """Take back tokens, and from the inner matcher what they were to it."""
        if num_tokens >= len(self._marks):
            raise InternalError(f"Cannot take back {num_tokens} tokens.")
        gone = self._marks[len(self._marks) - num_tokens :]
        del self._marks[len(self._marks) - num_tokens :]
        if self._inner is not None:
            self._inner.rollback(sum(mark.num_inner for mark in gone))

    def prefix_length(self, tokens: Sequence[int]) -> int:
        """How many tokens could be advanced."""
        mark, said, ends = self._marks[-1], list[int](), list[int]()
        for token in tokens:
            step = self._step(mark, token)
            if step is None:
                break
            mark, more = step
            said += more
            ends.append(len(said))
        accepted = self._rest().prefix_length(said) if said else 0
        return sum(end <= accepted for end in ends)

    def forced(self) -> list[int]:
        """The inner matcher's; nothing is forced while bytes are said again."""
        return self._rest().forced() if self.healed else []

    @property
    def can_end(self) -> bool:
        """Whether all is said again and the inner matcher may stop."""
        return self.healed and self._rest().can_end

    @property
    def ended(self) -> bool:
        """Whether nothing but the end can follow."""
        return self.healed and self._rest().ended

    def limit(self, num_tokens: int) -> None:
        """The inner matcher's limit: what is left when all is said again."""
        if self._inner is not None:
            self._inner.limit(num_tokens - self._marks[-1].num_left)

    def retreat(self) -> int:
        """Leave a state that the inner matcher refuses; a token goes as a whole."""
        taken = self._inner.retreat() if self._inner else 0
        num_tokens = 0
        while taken > 0:
            taken -= self._marks.pop().num_inner
            num_tokens += 1
        if taken < 0:
            self._rest().rollback(-taken)
        return num_tokens

    @property
    def num_unsettled(self) -> int:
        """The tokens that hold what the inner matcher may take back."""
        unsettled = self._inner.num_unsettled if self._inner else 0
        num_tokens = 0
        while unsettled > 0 and self._marks[-1 - num_tokens].num_inner:
            unsettled -= self._marks[-1 - num_tokens].num_inner
            num_tokens += 1
        return num_tokens

    def fork(self) -> Self:
        """An independent copy."""
        copy = type(self)(self.vocabulary, self._again, self._inner and self._inner.fork())
        copy._marks = list(self._marks)
        return copy

    def _rest(self) -> Matcher:
        assert self._inner is not None, "free text has no matcher once it is healed"
        return self._inner

    def _step(self, mark: _Mark, token: int) -> tuple[_Mark, list[int]] | None:
        """The mark after a token, and what it is to the inner matcher; None where it is refused.

        The inner matcher is not asked.
        """
        if not mark.num_bytes:
            return _Mark(0, 0, 1), [token]
        if not 0 <= token < self.vocabulary.size or token in self.vocabulary.special_ids:
            return None
        rest, data = self._data[-mark.num_bytes :], self.vocabulary.tokens[token]
        if data and rest.startswith(data):
            num_bytes = len(rest) - len(data)
            after = _Mark(num_bytes, mark.num_left - 1)
            return (after, []) if self._fewest(num_bytes) <= after.num_left else None
        if not data.startswith(rest):
            return None
        if self._inner is None:
            return _Mark(0, 0), []
        said = self._spelled(data[len(rest) :])
        return (_Mark(0, 0, len(said)), said) if said else None

    def _inside(self, mark: _Mark) -> Iterator[npt.NDArray[np.int64]]:
        """Tokens that say a part, or all, of what is left and nothing else."""
        rest = self._data[-mark.num_bytes :]
        for end in range(1, len(rest) + 1):
            if self._fewest(len(rest) - end) < mark.num_left:
                yield self.vocabulary.speller.equal_to(rest[:end])

    def _beyond(self, mark: _Mark) -> npt.NDArray[np.int64]:
        """Tokens that say all of what is left and go on with what the inner matcher allows."""
        rest = self._data[-mark.num_bytes :]
        if self._inner is None:
            return self.vocabulary.speller.longer_than(rest)
        mask = self._inner.mask()
        tails = self.vocabulary.speller.tails(rest)
        ids = tails.ids[holds(mask, tails.firsts)]
        longer = tails.longer
        refused = [t for t in ids.tolist() if t in longer and not self._takes(longer[t])]
        return np.setdiff1d(ids, refused)

    def _takes(self, said: Sequence[int]) -> bool:
        return self._rest().prefix_length(said) == len(said)

    def _fewest(self, num_bytes: int) -> int:
        """In how many tokens the last bytes can surely be said: as they were, or the longest."""
        rest, kept = self._data[len(self._data) - num_bytes :], 0
        for number, token in enumerate(reversed(self._again), 1):
            kept += len(self.vocabulary.tokens[token])
            if kept == num_bytes:
                return min(number, len(self._spelled(rest)) or number)
        return len(self._spelled(rest)) or (LOOK_BACK + 1 if rest else 0)

    def _spelled(self, data: bytes) -> list[int]:
        """Some tokens of these bytes; none where no token covers one of them."""
        try:
            return self.vocabulary.speller.spell(data)
        except UsageError:
            return []
