"""How much is left to be tried, and whether nothing was left out so far."""

from __future__ import annotations


class Effort:
    """Counts the steps of one search.

    Attributes:
        sure: Whether what was not found is proven not to be there.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self.sure = True

    @property
    def spent(self) -> bool:
        """Whether no step is left."""
        return self._left <= 0

    def spend(self) -> bool:
        """Take a step; False, and a doubt, where none is left."""
        self._left -= 1
        if self.spent:
            self.doubt()
        return not self.spent

    def doubt(self) -> None:
        """Something was left out."""
        self.sure = False
