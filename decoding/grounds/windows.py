"""Contexts as an embedder sees them: the text of their last few tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tether.decoding.grounds.ground import Given
from tether.errors import EvidenceError
from tether.grounding.evidence import Ids, Moment

if TYPE_CHECKING:
    from tether.decoding.models.base import Model
    from tether.grammars.vocabulary import Vocabulary
    from tether.grounding.index.embed import Embedder, Vectors

WINDOW = 8
"""Tokens of a context that are embedded."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """From contexts to vectors.

    Attributes:
        embedder: Of the index.
        vocabulary: Spells the tokens.
    """

    embedder: Embedder
    vocabulary: Vocabulary

    def __call__(self, moments: Sequence[Moment]) -> Vectors:
        """Of what stands before each moment, float32 [moments, width], of length 1."""
        return self._of([moment.context[-WINDOW:] for moment in moments])

    def along(self, tokens: Ids) -> Vectors:
        """Of what stands before every token of a passage but the first, and of the whole."""
        ids = tokens.tolist()
        return self._of([ids[max(0, end - WINDOW) : end] for end in range(1, len(ids) + 1)])

    def _of(self, contexts: Sequence[Sequence[int]]) -> Vectors:
        spelt = (b"".join(self.vocabulary.tokens[t] for t in context) for context in contexts)
        return self.embedder.embed([text.decode("utf-8", "replace") for text in spelt])


def of_given(given: Given) -> Windows:
    """By the embedder of the row's index.

    Raises:
        EvidenceError: There is no index, it has no vectors, or the embedder has changed since; the
            hint is the cure.
        ModelError: The embedder cannot be used.
    """
    dense = given.index and given.index.manifest.parts.get("dense")
    if not dense:
        raise EvidenceError(
            "`caad,keys=embedder` needs an index with vectors, whose embedder it uses.",
            hint="Build one with --embedder and name it with --index, or use keys=states.",
        )
    return of_facts(dense.facts, lambda: given.model, given.model.vocabulary)


def of_facts(
    facts: Mapping[str, Any], model: Callable[[], Model], vocabulary: Vocabulary
) -> Windows:
    """By the embedder that the facts of a dense part name; see `of_given`."""
    from tether.decoding.embed import open_embedder  # imports torch

    embedder = open_embedder(facts["embedder"], model)
    if embedder.fingerprint != facts["fingerprint"]:
        raise EvidenceError(
            f"The embedder {embedder.name} is not as it was when the index was made.",
            hint="Build the index again.",
        )
    return Windows(embedder, vocabulary)
