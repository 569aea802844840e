"""What a method of grounding declares: its options, and how it binds to what a row was given."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tether.decoding.options import option
from tether.decoding.terms.term import Variant

if TYPE_CHECKING:
    from tether.decoding.models.base import Model
    from tether.grammars.vocabulary import Vocabulary
    from tether.grounding.evidence import Bools, Source
    from tether.grounding.graph.graph import Graph
    from tether.grounding.index import Index


_WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Told:
    """A passage of the prompt.

    Attributes:
        text: As the user gave it.
        tokens: Its token ids; where the prompt holds the passage, those of the prompt.
        start: The place of its first token in the prompt; -1 where the prompt does not hold it.
    """

    text: str
    tokens: tuple[int, ...]
    start: int = -1


@dataclass(frozen=True, slots=True)
class Given:
    """What a row was given to rest on.

    Attributes:
        model: Whose tokens and numbers they are.
        passages: Those of the prompt, in its order.
        question: What is asked; empty where nobody knows.
        index: Of a larger corpus; None for none.
        graph: What a query speaks of; None for none.
    """

    model: Model
    passages: tuple[Told, ...]
    question: str = ""
    index: Index | None = None
    graph: Graph | None = None


@dataclass(frozen=True, slots=True)
class Ground(ABC):
    """One method with its weight and options; frozen, so that equal settings are equal methods.

    Attributes:
        weight: Strength of the method; 0 changes nothing.
    """

    name: ClassVar[str]
    variants: ClassVar[frozenset[Variant]] = frozenset()
    """Other prompts that its source looks at."""

    weight: float = option(1.0, "strength; 0 changes nothing", low=0)

    @abstractmethod
    def bind(self, given: Given) -> Source | None:
        """The source of a row; None where nothing it was given can change a token.

        Raises:
            EvidenceError: The index lacks what the method needs; the hint says how to build it.
            UsageError: The model cannot do what the method needs.
        """


@lru_cache(maxsize=8)
def word_tokens(vocabulary: Vocabulary) -> tuple[Bools, Bools]:
    """Tokens that hold a letter or a digit (or part of one), and those that go on with a word.

    Returns:
        Two of boolean [vocab]; no special tokens. The second ones do not begin with a space.
    """
    words = np.array([_WORD.search(text) is not None for text in vocabulary.tokens])
    words[list(vocabulary.special_ids)] = False
    spaced = np.array([text[:1].isspace() for text in vocabulary.tokens])
    return words, words & ~spaced
