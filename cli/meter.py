"""How far a long piece of work is: bars on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tether.cli.streams import coloured, is_terminal, say

if TYPE_CHECKING:
    from rich.progress import Progress

    from tether.grounding.corpus import Corpus
    from tether.grounding.document import Document
    from tether.grounding.index.maker import Advance

_REDRAW_S = 0.1


class Meter:
    """Bars on stderr, one a stage, where it is a terminal; see `maker.Progress`."""

    def __init__(self) -> None:
        self._bars: Progress | None = None

    def __enter__(self) -> Self:
        """Start drawing."""
        if is_terminal(sys.stderr):
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing; the last state stays on the screen."""
        if self._bars is not None:
            self._bars.stop()

    def stage(self, what: str, total: int) -> Advance:
        """Begin a stage of `total` steps."""
        bars, drawn = self._bars, 0.0
        if bars is None:
            return lambda done: None
        task = bars.add_task(what, total=total)

        def advance(done: int) -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn > _REDRAW_S or done >= total:
                drawn = now
                bars.update(task, completed=done)

        return advance

    def reading(self, corpus: Corpus) -> Iterator[Document]:
        """The documents of a corpus, with a bar over its bytes."""
        advance = self.stage("reading", corpus.size)
        for document in corpus:
            advance(corpus.read_bytes)
            yield document
        advance(corpus.size)

    def message(self, text: str) -> None:
        """A line on stderr that does not break the bars."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            say(text)


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True, no_color=not coloured(sys.stderr)),
        refresh_per_second=4,
    )
