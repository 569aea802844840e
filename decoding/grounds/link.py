"""`link`: the names that a question mentions weigh more where a query says names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tether.decoding.grounds.ground import Given, Ground
from tether.decoding.options import option
from tether.errors import OutputError, UsageError
from tether.grounding.evidence import Source
from tether.grounding.links import Link as Linked
from tether.grounding.links import Links

if TYPE_CHECKING:
    from tether.grammars.vocabulary import Vocabulary
    from tether.grounding.graph.mentions import Mention
    from tether.grounding.graph.names import Names
    from tether.grounding.index.embed import Embedder

_READ_ONLY = (
    "An index of its texts is made there once: let it be written, or go without (--ground link:0)."
)


@dataclass(frozen=True, slots=True)
class Link(Ground):
    """Names of the graph that the question mentions; see `tether.grounding.links`.

    Found by words, and by vectors too where an embedder is named. On by itself for queries over a
    graph. The weight is as large as a small model can be sure of a word that it copies by mistake;
    it only sets names against names.
    """

    name: ClassVar[str] = "link"

    weight: float = option(24.0, "nats that a name gains at most; 0 changes nothing", low=0)
    most: int = option(16, "texts of the graph that count as mentioned, at most", low=1, high=64)
    least: float = option(0.1, "score from which on one counts", low=0, high=1)
    embedder: str = option(
        "",
        "finds mentions beside words: `hidden`, `hidden:LAYER` or a directory",
        form=(r".+", "`hidden`, `hidden:LAYER` or a directory"),
    )

    def bind(self, given: Given) -> Source | None:
        """See Ground.bind."""
        graph, vocabulary = given.graph, given.model.vocabulary
        if graph is None:
            raise UsageError(
                "`link` links a question to the names of a graph, and there is none.",
                hint="Name it with --graph, or leave `link` out.",
            )
        embedder = self._opened(given)
        question = given.question or " ".join(told.text for told in given.passages)
        try:
            mentions = graph.mentions(embedder)
        except OutputError as error:
            raise OutputError(error.message, hint=_READ_ONLY) from error
        found = mentions.find(question, self.most, embedder)
        names = graph.lookup(vocabulary.key, vocabulary.encode).names
        links = _linked([m for m in found if m.score >= self.least], names, vocabulary)
        return Links(names, links, self.weight) if links else None

    def _opened(self, given: Given) -> Embedder | None:
        if not self.embedder:
            return None
        from tether.decoding.embed import open_embedder  # imports torch

        return open_embedder(self.embedder, lambda: given.model)


def _linked(mentions: list[Mention], names: Names, vocabulary: Vocabulary) -> list[Linked]:
    """Each name once, for its best mention."""
    found: dict[int, Linked] = {}
    for number, mention in enumerate(mentions):  # best first
        for rank in names.ranks(np.array(mention.terms, np.int32)).tolist():
            text = names.text(rank)
            tokens = tuple(vocabulary.encode(f" {text}"))
            found.setdefault(rank, Linked(rank, text, mention.score, tokens, number))
    return list(found.values())
