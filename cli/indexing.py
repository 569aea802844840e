"""What the index commands share: bad documents, what makes which part, what is said at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tether.cli.streams import say
from tether.errors import EvidenceError

if TYPE_CHECKING:
    from tether.cli.config.settings_model import Settings
    from tether.cli.meter import Meter
    from tether.grounding.corpus import Corpus
    from tether.grounding.index.build import Change
    from tether.grounding.index.by_words import Engine
    from tether.grounding.index.embed import Embedder
    from tether.grounding.index.layout import Manifest
    from tether.grounding.index.maker import Maker

_SHOWN = 10
"""Messages about bad documents, before they are only counted."""


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


@contextmanager
def reading(
    paths: list[Path], skip_bad: bool, max_document: int
) -> Iterator[tuple[Meter, Corpus, BadDocuments]]:
    """The documents to read, with bars while they are read."""
    from tether.cli.meter import Meter
    from tether.grounding.corpus import Corpus

    with Meter() as meter:
        bad = BadDocuments(meter, skip=skip_bad)
        yield meter, Corpus(paths, bad, max_document << 20), bad


def report(
    index: Path, change: Change, bad: BadDocuments | None = None, corpus: Corpus | None = None
) -> None:
    """Say on stderr what became of the index."""
    counts = {key: getattr(change, key) for key in ("added", "replaced", "unchanged", "deleted")}
    if bad is not None and corpus is not None:
        counts["skipped"] = bad.num_skipped
        counts["of unknown format left out"] = corpus.num_left_out
    done = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no change"
    say(f"{index}: {done}; {change.documents} documents, {change.passages} passages.")


def makers(embedder: Callable[[], Embedder] | None, engine: Engine) -> list[Maker]:
    """What makes the parts of an index: words always, vectors where there is an embedder.

    Args:
        embedder: Opens it; called when something is to be embedded.
        engine: Finds words.

    Raises:
        UnavailableError: The engine is not installed.
    """
    from tether.grounding.index import by_words

    if embedder is None:
        return [by_words.maker(engine)]
    from tether.grounding.index.dense_maker import DenseMaker

    return [by_words.maker(engine), DenseMaker(embedder)]


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


def store_makers(names: list[str] | None, flags: dict[str, Any]) -> list[Maker]:
    """What makes these stores, by the model of the flags.

    Raises:
        UsageError: There is no such store.
    """
    if not names:
        return []
    from tether.cli import engine
    from tether.decoding.grounds.makers import stores

    settings = settings_of(flags)
    return stores(names, lambda: engine.load_model(settings))


def stores_of(manifest: Manifest) -> list[str]:
    """The stores that an index has of its passages, as `--store` names them."""
    found = []
    for name in ("transitions", "states", "references"):
        if manifest.has(name):
            facts = manifest.parts[name].facts
            kind = facts.get("mode") or facts.get("keys")
            found.append(f"{name}:{kind}" if kind else name)
    return found


def settings_of(flags: dict[str, Any]) -> Settings:
    """The settings of a command's flags and of what lies below them."""
    from tether.cli.config.settings import resolve

    return resolve(flags).settings
