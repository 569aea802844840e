"""CAAD, later named RAD: what the model says in contexts like this one, of texts one trusts.

After "Context-aware adaptive decoding" (arXiv 2508.02184): logits stored under a vector of their
context; those of the contexts most like the present one are averaged by likeness and added to the
model's. Ours: the best logits of an entry only, each less the lowest that is kept, so that a shift
of an entry's logits changes nothing; what an entry does not keep counts as that lowest one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tether.grounding.evidence import Clues, Floats, Ids, Moment, Need
from tether.grounding.index.embed import Vectors
from tether.grounding.index.strings import damaged, load_array
from tether.grounding.neighbours import FIRM, Keys, hidden

if TYPE_CHECKING:
    from tether.grounding.index.layout import Part

NAME = "references"
"""The part of an index that holds them."""

IDS, VALUES = "ids.npy", "values.npy"
Fusion = Literal["linear", "convex", "mixture"]
Vectorise = Callable[[Sequence[Moment]], Vectors]
"""From moments to unit vectors float32 [moments, width], made as the keys were."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceStore:
    """Contexts and what the model says in them.

    Attributes:
        keys: One for every entry.
        ids: int32 [entries, kept], the tokens of the best logits.
        values: float [entries, kept], those logits less the lowest of the entry; 0 or more.
    """

    keys: Keys
    ids: NDArray[np.int32]
    values: NDArray[Any]

    @classmethod
    def load(cls, part: Part) -> ReferenceStore:
        """The store of a part, mapped into memory.

        Raises:
            UnavailableError: A file is damaged.
        """
        keys = Keys.load(part)
        ids = load_array(part.folder / IDS, "int32", 2)
        values = load_array(part.folder / VALUES, "float16", 2)
        if ids.shape != values.shape or len(ids) != len(keys):
            raise damaged(part.folder / IDS, "its shape does not fit the other files")
        return cls(keys, ids, values)

    def mean(self, entries: Ids, weights: Floats) -> tuple[Ids, Floats]:
        """The weighted mean of some entries: tokens ascending, each once, and their values."""
        tokens = self.ids[entries].reshape(-1)
        each = self.values[entries].astype(np.float64) * weights[:, None]
        sums = np.bincount(tokens, each.reshape(-1)).astype(np.float64)
        kept = np.zeros(len(sums), bool)
        kept[tokens] = True
        ids = np.flatnonzero(kept)
        return ids, sums[ids]


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """The mean of what the model says in contexts like this one; see `Source`.

    Attributes:
        store: Not empty.
        strength: What the mean logits are multiplied by (alpha); a share for "convex" and
            "mixture".
        fusion: "linear" adds them to the model's, "convex" takes that share away from the model's
            logits, "mixture" mixes probabilities.
        count: Contexts looked at, at most.
        least: The cosine that a context must exceed (tau).
        weighted: Whether contexts count by their cosines, or all alike.
        free: Whether it speaks only where free text may stand.
        num_tokens: Of the vocabulary.
        vectorise: Makes the vectors to search by; None for the model's states.
    """

    store: ReferenceStore
    strength: float
    fusion: Fusion = "linear"
    count: int = 2048
    least: float = 0.7
    weighted: bool = True
    free: bool = False
    num_tokens: int = 0
    vectorise: Vectorise | None = None
    heads: tuple[tuple[int, int], ...] = ()
    needs: frozenset[Need] = field(init=False)

    def __post_init__(self) -> None:
        """Only what the way of fusing and of searching needs."""
        needs: set[Need] = {"log_p"} if self.fusion == "convex" else set()
        needs |= {"hidden"} if self.vectorise is None else set()
        object.__setattr__(self, "needs", frozenset(needs))

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`; one search for all rows."""
        asked = [n for n, moment in enumerate(moments) if moment.open or not self.free]
        found: list[Clues | None] = [None] * len(moments)
        if not asked:
            return found
        vectors = (self.vectorise or hidden)([moments[n] for n in asked])
        ids, cosines = self.store.keys.nearest(vectors, self.count)
        for place, near, at in zip(asked, ids, cosines, strict=True):
            found[place] = self._clues(near, at.astype(np.float64), moments[place])
        return found

    def _clues(self, near: Ids, cosines: Floats, moment: Moment) -> Clues | None:
        kept = cosines > self.least
        doubt = FIRM * float(np.abs(cosines - self.least).min(initial=np.inf))
        if not kept.any():
            return Clues(near[:0], np.empty(0), doubt=doubt)
        weights = cosines[kept] if self.weighted else np.ones(int(kept.sum()))
        ids, values = self.store.mean(near[kept], weights / weights.sum())
        if self.fusion == "mixture":
            return Clues(ids, self._probabilities(values), self.strength, doubt=doubt)
        values = self.strength * values
        if self.fusion == "linear":
            return Clues(ids, values, doubt=doubt)
        assert moment.log_p is not None, "it was asked for"
        whole = -self.strength * np.maximum(moment.log_p, -1e4)
        whole[ids] += values
        return Clues(np.arange(len(whole)), whole, doubt=doubt)

    def _probabilities(self, values: Floats) -> Floats:
        """Of the tokens that are kept; all others are as likely as the lowest logit makes them."""
        top = float(values.max(initial=0))
        said: Floats = np.exp(values - top)
        rest = max(self.num_tokens - len(values), 0) * float(np.exp(-top))
        return said / (float(said.sum()) + rest)
