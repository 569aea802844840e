"""`memory`: a small network that has learnt what the neighbours of `knn` say.

Once trained (`tether index train-memory`) it needs no store and no search: one short forward a
token. What it says beyond its likeliest tokens is left to the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.grounds.ground import Given, Ground
from tether.decoding.grounds.parts import part
from tether.decoding.options import option
from tether.grounding.evidence import Clues, Moment, Need, Source
from tether.grounding.memory import FILE, NAME
from tether.grounding.neighbours import stacked

if TYPE_CHECKING:
    from tether.decoding.grounds.memory_net import MemoryNetwork


@dataclass(frozen=True, slots=True)
class Memory(Ground):
    """See `tether.grounding.memory` (MLP Memory); the weight is the share."""

    name: ClassVar[str] = "memory"

    weight: float = option(0.25, "share of the probability; 0 changes nothing", low=0, high=0.999)
    top: int = option(64, "likeliest tokens that it speaks of", low=1, high=1 << 16)
    temperature: float = option(1.0, "divides its logits", low=1e-6)
    free: bool = option(False, "speak only where free text may stand")

    def bind(self, given: Given) -> Source | None:
        """See Ground.bind."""
        from tether.decoding.grounds.memory_net import MemoryNetwork  # imports torch
        from tether.decoding.grounds.reading import once

        held, device = part(given, NAME, "train-memory"), given.model.network.device

        def recall() -> Recall:
            network = MemoryNetwork.load(held.folder / FILE, device)
            return Recall(network, self.weight, self.top, self.temperature, self.free)

        return once(given.model, (self, held.folder, held.digest), recall)


@dataclass(frozen=True, slots=True, eq=False)
class Recall:
    """What a trained memory says; see `Source`.

    Attributes:
        network: Trained.
        share: The part of the probability that is its (lambda).
        top: Likeliest tokens that it speaks of.
        temperature: Divides its logits.
        free: Whether it speaks only where free text may stand.
    """

    network: MemoryNetwork
    share: float
    top: int
    temperature: float = 1.0
    free: bool = False
    needs: frozenset[Need] = frozenset({"hidden"})
    heads: tuple[tuple[int, int], ...] = ()

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`; one forward for all rows."""
        import torch

        asked = [n for n, moment in enumerate(moments) if moment.open or not self.free]
        found: list[Clues | None] = [None] * len(moments)
        if not asked:
            return found
        head = self.network.weights["head"]
        states = stacked(moments[n] for n in asked)
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(states).to(head.device)) / self.temperature
            top = logits.softmax(1).topk(min(self.top, len(head)), dim=1)
        pairs = zip(top.indices.cpu().numpy(), top.values.double().cpu().numpy(), strict=True)
        for place, (ids, said) in zip(asked, pairs, strict=True):
            found[place] = Clues(ids, said / max(float(said.sum()), 1.0), self.share)
        return found
