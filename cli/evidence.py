"""What a row rests on: the user's own passages and those found for it, as its prompt holds them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tether.grounding.passages import Passage
    from tether.grounding.research import Search


@dataclass(frozen=True, slots=True)
class Evidence:
    """Passages of a prompt, in its order.

    Attributes:
        passages: As they stand in their documents; those of the user have no `doc` and the id -1.
        texts: As the prompt holds them, one a passage.
        left_out: Passages of the index for which the model has no room.
        searches: How they were found, with `research`.
    """

    passages: tuple[Passage, ...] = ()
    texts: tuple[str, ...] = ()
    left_out: int = 0
    searches: tuple[Search, ...] = ()

    @classmethod
    def of(
        cls, own: Sequence[str], found: Sequence[Passage], searches: Sequence[Search] = ()
    ) -> Evidence:
        """The user's own passages, then those found, best first."""
        from tether.grounding.passages import Passage as Piece

        passages = (*(Piece(-1, "", 0, len(text), text) for text in own), *found)
        return cls(passages, tuple(p.text for p in passages), searches=tuple(searches))

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each passage: its document, or its number from 1."""
        return tuple(passage.doc or str(n) for n, passage in enumerate(self.passages, 1))

    def first(self, count: int) -> Evidence:
        """The first passages; the others are left out."""
        gone = len(self.passages) - count
        return replace(
            self,
            passages=self.passages[:count],
            texts=self.texts[:count],
            left_out=self.left_out + gone,
        )

    def arranged(self, places: Sequence[int]) -> Evidence:
        """The same passages in another order."""
        return replace(
            self,
            passages=tuple(self.passages[place] for place in places),
            texts=tuple(self.texts[place] for place in places),
        )

    def fitted(self, fits: Callable[[Evidence], bool]) -> Evidence:
        """As many passages as fit, the worst left out first; the user's own all stay.

        Args:
            fits: Whether evidence has room; what fits still does with fewer passages.
        """
        own = sum(passage.id < 0 for passage in self.passages)
        if own == len(self.passages) or fits(self):
            return self
        counts = range(own, len(self.passages))
        too_many = bisect_left(counts, True, key=lambda count: not fits(self.first(count)))
        return self.first(max(own, own + too_many - 1))


NO_EVIDENCE = Evidence()
