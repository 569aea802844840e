"""Equal beginnings of prompts are read once: system prompts, schemas, examples, earlier turns.

What a token leaves in a cache depends on the tokens before it and on nothing else. So a lane whose
prompt begins as another slot's tokens do copies those columns, whether that slot's row still runs
or has ended. Copies are bit for bit; a prompt read in other pieces is rounded differently, which is
what near-ties are settled for (`ties.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tether.decoding.cache import SlotCache

LEAST = 16
"""Fewer equal tokens are read again: a forward costs as much for a few tokens less."""


class Beginnings:
    """What the slots of a cache hold, as tokens.

    Args:
        cache: Whose slots are copied.
    """

    def __init__(self, cache: SlotCache) -> None:
        self._cache = cache
        self._left: dict[int, tuple[int, ...]] = {}

    def leave(self, slot: int, tokens: tuple[int, ...]) -> None:
        """The row of a slot has ended; its columns stay until others take their place."""
        self._left.pop(slot, None)  # so that the oldest comes first
        self._left[slot] = tokens

    def best(self, free: Sequence[int], prompt: tuple[int, ...]) -> int:
        """The free slot that holds most of a prompt; else an unused one, or the one left first."""
        shared = {slot: common(prompt[:-1], self._left.get(slot, ())) for slot in free}
        best = max(free, key=lambda slot: shared[slot])
        if shared[best] >= LEAST:
            return best
        ages = {slot: age for age, slot in enumerate(self._left)}
        return min(free, key=lambda slot: ages.get(slot, -1))

    def spoil(self, slots: Iterable[int]) -> None:
        """Other columns take the place of what these slots held."""
        for slot in slots:
            self._left.pop(slot, None)

    def adopt(
        self, slot: int, prompt: tuple[int, ...], others: Iterable[tuple[int, tuple[int, ...]]]
    ) -> int:
        """Fill an empty slot with as much of its prompt as is held anywhere.

        Args:
            slot: Its own former row may have left a beginning in it.
            prompt: Its last token is left to be read.
            others: Slots of running rows, with the tokens that they hold.

        Returns:
            How many tokens the slot then holds.
        """
        held = ((at, common(prompt[:-1], tokens)) for at, tokens in (*self._left.items(), *others))
        # Where two are as long, the slot's own needs no copy.
        source, count = max(held, key=lambda found: (found[1], found[0] == slot), default=(slot, 0))
        if count < LEAST:
            return 0
        self._cache.copy(source, slot, count)
        self.spoil([slot])
        return count


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike, by halving: slices compare fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
