"""Bars on stderr where it is a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from tether.cli.streams import coloured, is_terminal, say

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


class Bars:
    """Draws while it is entered; subclasses say what. A context manager."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        """None where nobody would see them."""

    def __enter__(self) -> Self:
        """Start drawing."""
        if is_terminal(sys.stderr):
            self._bars = self._drawn()
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing; the last state stays on the screen."""
        if self._bars is not None:
            self._bars.stop()

    def message(self, text: str) -> None:
        """A line on stderr that does not break the bars."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            say(text)

    def columns(self) -> tuple[ProgressColumn, ...]:
        """What a bar shows beside itself; imports rich, which is slow."""
        raise NotImplementedError

    def _drawn(self) -> Progress:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True, no_color=not coloured(sys.stderr))
        return Progress(*self.columns(), console=console, refresh_per_second=4)
