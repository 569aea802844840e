"""What a model has guessed for a row in one turn: a chain with runners-up, and how it came out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from tether.decoding.drafts.chances import Chances, Clue
from tether.decoding.drafts.draft import Draft, Spot
from tether.decoding.drafts.model_reader import Asked
from tether.errors import DeadEnd
from tether.grammars.constraint import Mask

_LEAST = 0.03  # belief and chance of a runner-up that is worth a node
_FEW = 64  # tokens in a mask up to which it is asked what is forced


class Chain:
    """Guesses place by place, each behind the first of the last place.

    Attributes:
        value: The chance of the whole chain to be accepted.
        said: Tokens that the row is expected to say in the turn.
        path: The first guess of each place, and what is forced between them.
        num_places: Where it has guessed.

    Args:
        drafter: Its name.
        chances: Says how far beliefs can be trusted.
    """

    def __init__(self, drafter: str, chances: Chances) -> None:
        self.value, self.said, self.num_places = 1.0, 1.0, 0
        self.path: list[int] = []
        self._drafter, self._chances = drafter, chances
        self._guesses: list[tuple[int, int, Clue]] = []  # the length of the path before, the token
        self._tokens: list[int] = []
        self._parents: list[int] = []
        self._nodes: list[float] = []
        self._end = -1

    def __len__(self) -> int:
        return len(self._tokens)

    def guess(self, guesses: Sequence[tuple[int, float]]) -> None:
        """Add the guesses for one place, best first, with what they are believed in."""
        end = self._end
        for rank, (token, belief) in enumerate(guesses):
            clue = Clue(self._drafter, min(math.log(belief), -1e-9), self.num_places, rank)
            chance = self._chances(clue)
            if rank == 0 or min(belief, chance) > _LEAST:
                self._guesses.append((len(self.path), token, clue))
                self._add(end, token, chance)
            if rank == 0:
                self._end = len(self) - 1
                self.value *= chance
        self.said += self.value
        self.num_places += 1
        self.path.append(guesses[0][0])

    def force(self, tokens: Sequence[int]) -> None:
        """Go on with what the grammar forces."""
        for token in tokens:
            self._add(self._end, token, 1.0)
            self._end = len(self) - 1
        self.path += tokens

    def draft(self) -> Draft:
        """The tree."""
        return Draft(tuple(self._tokens), tuple(self._parents), tuple(self._nodes))

    def examples(self, said: Sequence[int]) -> Iterator[tuple[Clue, bool]]:
        """The guesses that stand on the way of what was said, and whether they were right."""
        on_way = next(
            (n for n, (a, b) in enumerate(zip(self.path, said, strict=False)) if a != b),
            min(len(self.path), len(said)),
        )
        for place, token, clue in self._guesses:
            if place <= on_way and place < len(said):
                yield clue, said[place] == token

    def _add(self, parent: int, token: int, chance: float) -> None:
        self._tokens.append(token)
        self._parents.append(parent)
        self._nodes.append(chance)


class Growing:
    """A chain that is being guessed, under the row's grammar.

    Attributes:
        spot: Where it begins.
        chain: As far as it is.
        is_over: Whether there is nothing more to guess, by the grammar or by what it may hold.

    Args:
        spot: Where the row stands; its matcher is left alone.
        tokens: What the drafter reads up to there.
        chain: Empty.
        budget: The most tokens.
        ends: Tokens behind which there is nothing.
    """

    def __init__(
        self, spot: Spot, tokens: list[int], chain: Chain, budget: int, ends: frozenset[int]
    ) -> None:
        self.spot, self.chain, self.is_over = spot, chain, budget < 1
        self._tokens, self._budget, self._ends = tokens, budget, ends
        self._matcher = None if spot.matcher is None else spot.matcher.fork()

    @property
    def room(self) -> int:
        """Tokens that it may still have."""
        return self._budget - len(self.chain)

    @property
    def length(self) -> int:
        """Tokens before the next guess."""
        return len(self._tokens)

    def asks(self) -> Asked | None:
        """The place of the next guess, after what is forced before it; None where it is over."""
        with suppress(DeadEnd):
            mask = self._mask()
            while mask is not None and self.chain.path and (forced := self._forced(mask)):
                self.chain.force(forced[: self.room])
                self._go(forced[: self.room])
                if self.is_over:
                    return None
                mask = self._mask()
            return Asked(self.spot.row, self._tokens, mask)
        return None

    def guess(self, guesses: Sequence[tuple[int, float]]) -> None:
        """See `Chain.guess`; without guesses it is over."""
        self.is_over = not guesses
        if guesses:
            self.chain.guess(guesses)
            with suppress(DeadEnd):
                self._go(self.chain.path[-1:])

    def _go(self, step: Sequence[int]) -> None:
        """Stand after some tokens more."""
        self._tokens += step
        self.is_over = True
        if self.room and self._ends.isdisjoint(step):
            if self._matcher is not None:
                for token in step:
                    self._matcher.advance(token)
            self.is_over = False

    def _mask(self) -> Mask | None:
        return None if self._matcher is None else self._matcher.mask()

    def _forced(self, mask: Mask) -> list[int]:
        """What comes next, whatever is chosen."""
        if self._matcher is None or int(np.bitwise_count(mask.view(np.uint32)).sum()) > _FEW:
            return []
        return self._matcher.forced()
