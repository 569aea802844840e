"""Methods over a store: made from the row's passages, or kept as a part of an index."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tether.decoding.grounds.ground import Given, Ground
from tether.decoding.grounds.parts import part
from tether.decoding.options import option
from tether.grounding.evidence import Ids, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tether.grounding.index.layout import Part


@dataclass(frozen=True, slots=True)
class Stored(Ground):
    """What such methods share; rows that have the same store share the source."""

    part_name: ClassVar[str]

    over: Literal["passages", "index"] = option("passages", "where the evidence is")

    @abstractmethod
    def of_passages(self, given: Given, passages: Sequence[Ids]) -> Source:
        """The source over passages, int64 [n] each; one of them at least has two tokens."""

    @abstractmethod
    def of_part(self, given: Given, part: Part) -> Source:
        """The source over a part that belongs to the model."""

    def store_name(self) -> str:
        """What `--store` calls the part."""
        return self.part_name

    def tokens_only(self) -> bool:
        """Whether the part holds nothing that a model says."""
        return False

    def bind(self, given: Given) -> Source | None:
        """See Ground.bind."""
        from tether.decoding.grounds.reading import once  # imports torch

        model = given.model
        if self.over == "index":
            command = f"store --store {self.store_name()}"
            held = part(given, self.part_name, command, tokens_only=self.tokens_only())
            key = (self, held.folder, held.digest)
            return once(model, key, lambda: self.of_part(given, held))
        tokens = tuple(told.tokens for told in given.passages)
        if not any(len(passage) > 1 for passage in tokens):
            return None
        passages = [np.array(passage, dtype=np.int64) for passage in tokens]
        return once(model, (self, tokens), lambda: self.of_passages(given, passages))
