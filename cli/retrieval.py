"""The index of a run, opened once, and how it is searched."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tether.cli.config.settings_model import Settings
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.grounding.index import Index
    from tether.grounding.index.embed import Embedder
    from tether.grounding.index.search import Mode
    from tether.grounding.passages import Passage


class Retriever:
    """Finds passages by the settings of a run.

    Args:
        settings: With an index.

    Raises:
        UnavailableError: There is no index, it is damaged, or it lacks what the mode needs.
    """

    def __init__(self, settings: Settings) -> None:
        from tether.grounding.index import Index as Opened

        assert settings.index is not None, "a retriever has an index"
        self.index: Index = Opened.open(settings.index)
        self._settings = settings
        self._mode: Mode = self.index.usual if settings.retrieve == "auto" else settings.retrieve
        if self._mode != "bm25":
            _ = self.index.dense  # says what it lacks before a model is loaded

    @property
    def identity(self) -> str:
        """Equal where the same question finds the same passages."""
        parts = self.index.manifest.parts
        digests = (f"{name} {parts[name].digest}" for name in sorted(parts))
        return "\n".join([self._mode, *digests])

    def find(self, question: str, count: int) -> list[Passage]:
        """The best passages for a question, best first.

        Raises:
            UsageError: There is no question.
            UnavailableError: The vectors are another embedder's.
        """
        if not question.strip():
            raise UsageError(
                "There is no question to search the index for.",
                hint="Give a prompt, or leave --index out.",
            )
        embedder = None if self._mode == "bm25" else self._embedder
        return [hit.passage for hit in self.index.search(question, count, self._mode, embedder)]

    @cached_property
    def _embedder(self) -> Embedder:
        from tether.cli.indexing import open_embedder

        return open_embedder(self.index.dense.facts["embedder"], self._settings)


def retriever(settings: Settings) -> Retriever | None:
    """What finds passages under these settings; None where they name no index.

    Raises:
        UsageError: There is a search to make, and nothing to make it in.
        UnavailableError: See `Retriever`.
    """
    if settings.index:
        return Retriever(settings)
    if settings.research:
        raise UsageError(
            "`research` searches an index, and there is none.", hint="Name it with --index FOLDER."
        )
    return None
