"""How far a long piece of work is: bars on a terminal, nothing elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tether.cli.bars import Bars

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from tether.grounding.corpus import Corpus
    from tether.grounding.document import Document
    from tether.grounding.index.maker import Advance

_REDRAW_S = 0.1


class Meter(Bars):
    """Bars on stderr, one a stage, where it is a terminal; see `maker.Progress`."""

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

    def columns(self) -> tuple[ProgressColumn, ...]:
        """See Bars."""
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        return (
            TextColumn("{task.description:<9}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
