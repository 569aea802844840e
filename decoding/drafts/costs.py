"""What turns cost on this machine, by what they read: tokens that are certain, and drafted ones."""

from __future__ import annotations

from tether.decoding.drafts.length import CostCurve
from tether.decoding.drafts.line import Line

_SUPPOSED = (4, 16)  # drafted tokens that are taken to cost what those of prompts do, at first
_FORGETS = 0.7  # of what drafts cost is remembered where they were too dear: it may have changed


class Costs:
    """Seconds of turns of about so many rows.

    Those without drafts are a curve. What drafts add to it, read and followed, is a line.
    """

    def __init__(self) -> None:
        self._alone = CostCurve()
        self._added = Line()

    def alone(self, tokens: int) -> float:
        """Of a turn that reads so many certain tokens and no others; 0 where none was timed."""
        return self._alone(tokens)

    def added(self, tokens: int) -> tuple[float, float]:
        """Seconds that drafts add to a turn over so many certain tokens: at all, and for each."""
        return self._added(self._supposed(tokens))

    def observe(self, tokens: int, drafted: int, seconds: float) -> None:
        """A turn over certain and drafted tokens took so long."""
        if drafted:
            above = max(0.0, seconds - self.alone(tokens))
            self._added.observe(drafted, above, self._supposed(tokens))
        else:
            self._alone.observe(tokens, seconds)

    def refused(self) -> None:
        """Drafts were too dear by this."""
        self._added.fade(_FORGETS)

    def _supposed(self, tokens: int) -> list[tuple[int, float]]:
        alone = self.alone(tokens)
        return [(count, self.alone(tokens + count) - alone) for count in _SUPPOSED]
