"""kNN-LM: what followed where the model stood as it stands now.

Khandelwal et al. 2020 (arXiv 1911.00172): the tokens that followed the nearest stored states, each
weighted by exp(-distance / temperature), are a distribution that is mixed into the model's own.
Ours: states are compared by direction (squared distances of unit vectors, at most 4), so that a
temperature means the same for every model; the weights fade to 0 at the last neighbour; and the
share is gated by the nearest cosine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tether.grounding.evidence import Clues, Floats, Ids, Moment, Need
from tether.grounding.index import lists
from tether.grounding.index.embed import Vectors, unit
from tether.grounding.index.strings import damaged, load_array, save_array

if TYPE_CHECKING:
    from tether.grounding.index.layout import Part
    from tether.grounding.index.maker import Progress

NAME = "states"
"""The part of an index that holds them."""

KEYS, LISTS = "keys.npy", "lists.faiss"
_REFINED = 4  # candidates by codes for each neighbour; whole vectors choose among them
_BLOCK = 16_384
_EVEN = 1e-3  # of the weight left: else all neighbours are as far, and count alike
FIRM = 50  # cosines of states round to 1e-6 or so, the scores that `doubt` is held against to 1e-4


class Keys:
    """Directions to search, few in memory or many on disk.

    Args:
        vectors: float16 or float32 [n, width], of any length above 0.
        inverted: Lists over their directions, where there are too many to compare them all.
        refined: Candidates of the lists for each key that is wanted.
    """

    def __init__(
        self, vectors: NDArray[Any], inverted: lists.Index | None = None, refined: int = 1
    ) -> None:
        self.vectors, self._inverted, self._refined = vectors, inverted, refined

    def __len__(self) -> int:
        """How many there are."""
        return len(self.vectors)

    @classmethod
    def load(cls, part: Part) -> Keys:
        """The keys of a part, mapped into memory.

        Raises:
            UnavailableError: A file is damaged.
        """
        vectors = load_array(part.folder / KEYS, "float16", 2)
        if vectors.shape != (part.facts["entries"], part.facts["width"]):
            raise damaged(part.folder / KEYS, f"its shape is {vectors.shape}")
        if LISTS not in part.files:
            return cls(vectors)
        inverted = lists.load(part.folder / LISTS, part.facts["probes"])
        return cls(vectors, inverted, _REFINED if part.facts["kind"] == "ivf-pq" else 1)

    @staticmethod
    def part(folder: Path, progress: Progress) -> dict[str, Any]:
        """Part the keys that a folder holds into lists, where there are enough; facts about it."""
        vectors = load_array(folder / KEYS, "float16", 2)
        plan = lists.plan(*vectors.shape)
        if plan.kind != "flat":
            directions: Any = _Directions(vectors)
            index = lists.train(directions, plan)
            lists.add(index, directions, progress.stage("lists", len(vectors)))
            lists.save(index, folder / LISTS)
        return {
            "entries": vectors.shape[0], "width": vectors.shape[1],
            "kind": plan.kind, "lists": plan.lists, "probes": plan.probes,
        }  # fmt: skip

    def nearest(self, queries: Vectors, count: int) -> tuple[Ids, Vectors]:
        """Ids int64 and cosines float32, [queries, n], best first, equal ones by id.

        n is at most `count`; a place that lists could not fill has the id -1 and the cosine -inf.

        Args:
            queries: float32 [queries, width], of length 1.
            count: Keys wanted for each, 1 or more.
        """
        count = min(count, len(self))
        if self._inverted is None:
            cosines = queries @ self._all.T
            ids = np.argpartition(-cosines, count - 1, axis=1)[:, :count].astype(np.int64)
            found = np.take_along_axis(cosines, ids, axis=1)
        else:
            wanted = min(count * self._refined, len(self))
            ids = lists.nearest(self._inverted, queries, wanted)
            found = np.stack([self._cosines(*pair) for pair in zip(ids, queries, strict=True)])
        order = np.lexsort((ids, -found), axis=1)[:, :count]
        return np.take_along_axis(ids, order, axis=1), np.take_along_axis(found, order, axis=1)

    def directions(self, ids: Ids) -> Vectors:
        """Some of them as float32 of length 1, [ids, width]."""
        return unit(self.vectors[ids].astype(np.float32))

    @cached_property
    def _all(self) -> Vectors:
        """All of them as float32 of length 1; only where there are few."""
        return unit(self.vectors.astype(np.float32))

    def _cosines(self, ids: Ids, query: Vectors) -> Vectors:
        """[n]; -inf for the id -1."""
        cosines = self.directions(ids) @ query
        return np.where(ids < 0, np.float32(-np.inf), cosines)


class _Directions:
    """Keys as FAISS wants them: float32 of length 1, made where they are read."""

    def __init__(self, vectors: NDArray[np.float16]) -> None:
        self._vectors = vectors
        self.shape = vectors.shape

    def __len__(self) -> int:
        return len(self._vectors)

    def __getitem__(self, chosen: slice | Ids) -> Vectors:
        return unit(self._vectors[chosen].astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class StateStore:
    """States and what followed them.

    Attributes:
        keys: One for every entry.
        next: int32 [entries], the token that followed.
        origin: int32 [entries], the passage.
    """

    keys: Keys
    next: NDArray[np.int32]
    origin: NDArray[np.int32]

    @classmethod
    def of(cls, passages: Sequence[Ids], states: Sequence[Floats]) -> StateStore:
        """The store of some passages, in memory.

        Args:
            passages: int64 [n] each, tokens; one of them at least has two.
            states: float [n, width] each, what the head reads after each token.
        """
        origin = np.repeat(np.arange(len(passages)), [max(len(p) - 1, 0) for p in passages])
        following = np.concatenate([tokens[1:] for tokens in passages]).astype(np.int32)
        vectors = np.concatenate([found[:-1] for found in states]).astype(np.float32)
        return cls(Keys(vectors), following, origin.astype(np.int32))

    @classmethod
    def load(cls, part: Part) -> StateStore:
        """The store of a part, mapped into memory.

        Raises:
            UnavailableError: A file is damaged.
        """
        arrays = [
            load_array(part.folder / f"{name}.npy", "int32", 1) for name in ("next", "origin")
        ]
        keys = Keys.load(part)
        if any(len(array) != len(keys) for array in arrays):
            raise damaged(part.folder / "next.npy", "there are other numbers of states and tokens")
        return cls(keys, *arrays)

    def save(self, folder: Path) -> None:
        """Write what followed; the keys are written by whoever makes them.

        Raises:
            OSError: The disk is full, or the like.
        """
        save_array(folder / "next.npy", self.next)
        save_array(folder / "origin.npy", self.origin)


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The tokens that followed the nearest states; see `Source`.

    Attributes:
        store: Not empty.
        count: Neighbours, at most.
        temperature: Of the squared distances; small trusts the nearest alone.
        share: The part of the probability that is theirs (lambda).
        gate: The cosine that the nearest must have.
        free: Whether it speaks only where free text may stand.
        first: The number of the store's first passage.
    """

    store: StateStore
    count: int
    temperature: float
    share: float
    gate: float = -1.0
    free: bool = False
    first: int = 0
    needs: frozenset[Need] = frozenset({"hidden"})
    heads: tuple[tuple[int, int], ...] = ()

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`; one search for all rows."""
        asked = [n for n, moment in enumerate(moments) if moment.open or not self.free]
        found: list[Clues | None] = [None] * len(moments)
        if not asked:
            return found
        ids, cosines = self.store.keys.nearest(hidden(moments[n] for n in asked), self.count + 1)
        for place, near, at in zip(asked, ids, cosines, strict=True):
            found[place] = self._clues(near[near >= 0], at[near >= 0].astype(np.float64))
        return found

    def _clues(self, near: Ids, cosines: Floats) -> Clues | None:
        """What the neighbours say, best first; the one beyond the last says what they count less.

        Where two are nearly as far at the last place, rounding would decide between them: less
        the weight of the first one beyond, both weigh next to nothing.
        """
        if not len(near):
            return None
        doubt = FIRM * float(abs(cosines[0] - self.gate)) if self.gate > -1 else np.inf
        if cosines[0] <= self.gate:
            return Clues(near[:0], np.empty(0), doubt=doubt)
        weights = np.exp(2 * (cosines - cosines[0]) / self.temperature)  # d = 2 - 2 cosine
        near, beyond, weights = near[: self.count], weights[self.count :], weights[: self.count]
        if len(beyond) and (weights - beyond).sum() > _EVEN * weights.sum():
            weights = weights - beyond
        tokens, origins = (a[near].astype(np.int64) for a in (self.store.next, self.store.origin))
        return Clues(tokens, weights / weights.sum(), self.share, origins + self.first, doubt)


def hidden(moments: Iterable[Moment]) -> Vectors:
    """The directions of the model's states in some moments, float32 [moments, width]."""
    return unit(stacked(moments))


def stacked(moments: Iterable[Moment]) -> Vectors:
    """The model's states in some moments, float32 [moments, width]."""
    states = [moment.hidden for moment in moments if moment.hidden is not None]
    return np.stack(states).astype(np.float32)
