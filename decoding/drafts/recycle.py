"""Token Recycling: what a token was last thought to be followed by, it is thought to be again.

For each token of the vocabulary the best successors of the model's newest answer after it, on a
path that came true or not. Source: Luo et al. 2024 (arXiv 2408.08696). Deviations: there the draft
is a fixed tree of the ranks; here the chance of each rank is learned, and the tree grows by them.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tether.decoding.drafts import kept
from tether.decoding.drafts.draft import NOTHING, Draft, Need, Spot, Verdict
from tether.decoding.drafts.successors import BEST, Ranks, best
from tether.decoding.models.base import Model

_WORTH_KEEPING = 64  # turns learned from since the file was read


class Recycle:
    """See `Drafter`; what it knows outlives the run.

    Args:
        model: Its vocabulary and fingerprint.
    """

    name: ClassVar[str] = "recycle"
    needs: ClassVar[frozenset[Need]] = frozenset({"logits"})

    def __init__(self, model: Model) -> None:
        self._fingerprint = model.fingerprint
        size = model.network.head_size
        none = {"after": np.full((size, BEST), -1, dtype=np.int32)}
        found = kept.load(self.name, self._fingerprint, none)
        fits = found is not None and len(found["after"]) == size and found["after"].max() < size
        self._after = (found if found is not None and fits else none)["after"]
        self._ranks = Ranks()
        self._num_learned = 0

    def propose(self, spot: Spot, budget: int) -> Draft:
        """The successors of the last token."""
        tokens = [token for token in self._after[spot.context[-1]].tolist() if token >= 0]
        if not tokens or budget < 1:
            return NOTHING
        chances = tuple(self._ranks.chance(rank) for rank in range(len(tokens)))
        return Draft(tuple(tokens), (-1,) * len(tokens), chances)

    def observe(self, verdict: Verdict) -> None:
        """Remember the successors of every token that was answered; accepted ones at last."""
        context = [verdict.context[-1], *verdict.said]
        for place in verdict.choices:
            if place < len(verdict.said):
                known = self._after[context[place]].tolist()
                chosen = verdict.said[place]
                self._ranks.learn(known.index(chosen) if chosen in known else None)
        if verdict.logits is None:
            return
        ids, _ = best(verdict.logits)
        tokens = [verdict.context[-1], *verdict.draft.tokens]
        certain = [0, *(1 + node for node in verdict.accepted)]
        for at in (*range(len(tokens)), *certain):
            self._after[tokens[at]] = ids[at]
        self._num_learned += 1

    def forget(self, row: object) -> None:
        """Nothing is kept of a row."""

    def keep(self) -> None:
        """Write the successors."""
        if self._num_learned >= _WORTH_KEEPING:
            kept.store(self.name, self._fingerprint, {"after": self._after})
            self._num_learned = 0
