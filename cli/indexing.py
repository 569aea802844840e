"""What the index commands share: progress on a terminal, bad documents, which parts are made."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tether.cli.streams import coloured, is_terminal, say
from tether.errors import EvidenceError

if TYPE_CHECKING:
    from rich.progress import Progress

    from tether.cli.config.settings_model import Settings
    from tether.grounding.corpus import Corpus
    from tether.grounding.document import Document
    from tether.grounding.index.embed import Embedder
    from tether.grounding.index.layout import Manifest
    from tether.grounding.index.maker import Advance, Maker

_SHOWN = 10
"""Messages about bad documents, before they are only counted."""

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


class BadDocuments:
    """What becomes of documents that cannot be read.

    Attributes:
        num_skipped: How many were left out.
    """

    def __init__(self, meter: Meter, *, skip: bool) -> None:
        self.num_skipped = 0
        self._meter = meter
        self._skip = skip

    def __call__(self, error: EvidenceError) -> None:
        """Raise it, or say so and go on."""
        if not self._skip:
            raise error
        self.num_skipped += 1
        if self.num_skipped <= _SHOWN:
            self._meter.message(f"Skipped: {error.message}")


def makers(embedder: Callable[[], Embedder] | None) -> list[Maker]:
    """What makes the parts of an index: words always, vectors where there is an embedder.

    Args:
        embedder: Opens it; called when something is to be embedded.
    """
    from tether.grounding.index.lexical import LexicalMaker

    if embedder is None:
        return [LexicalMaker()]
    from tether.grounding.index.dense_maker import DenseMaker

    return [LexicalMaker(), DenseMaker(embedder)]


def open_embedder(name: str, settings: Settings) -> Embedder:
    """The embedder of a name: `hidden`, `hidden:LAYER` or a directory.

    Raises:
        UsageError: There is no such layer.
        ModelError: The directory or the model cannot be used.
    """
    from tether.cli import engine
    from tether.decoding import embed

    return embed.open_embedder(name, lambda: engine.load_model(settings))


def embedder_of(manifest: Manifest) -> str | None:
    """The embedder that made the vectors of an index; None where it has none to go on from."""
    dense = manifest.parts.get("dense")
    return None if dense is None or manifest.is_stale("dense") else str(dense.facts["embedder"])


def tokenizer_file(named: Path | None) -> Path:
    """The tokenizer that a user names, by file or folder; by default the shipped model's."""
    if named is None:
        import tether.decoding.builtin

        return Path(tether.decoding.builtin.__file__).parent / "model" / "tokenizer.json"
    return named / "tokenizer.json" if named.is_dir() else named


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
