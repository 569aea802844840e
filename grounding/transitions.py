"""GRAD: which token followed which in the evidence, and how strongly the model endorsed it.

After "Graph-retrieved adaptive decoding" (arXiv 2511.03900). Ours: rows are keyed by the last few
tokens, with back-off to the longest that the evidence knows; an edge sums probabilities,
which a shift of the model's logits cannot change; the bonus grows with the number of times the row
was seen and with the entropy of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tether.grounding.evidence import Clues, Floats, Ids, Moment, Need
from tether.grounding.index.strings import damaged, load_array, save_array

NAME = "transitions"
"""The part of an index that holds them."""

LONGEST = 6  # tokens in a key, at most; where spaces are tokens, three tokens are hardly two words
_FILES = {
    "keys": "uint64", "first": "int64", "next": "int32", "weight": "float32", "count": "int32",
    "origin": "int32",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class TransitionStore:
    """A sparse graph in CSR form, in memory or mapped.

    Attributes:
        keys: uint64 [rows], hashes of the tokens before, ascending. Two n-grams of one hash would
            share a row: at 64 bits that is less likely than a fault of the disk.
        first: int64 [rows + 1], where the edges of each row begin.
        next: int32 [edges], ascending within a row.
        weight: float32 [edges], sums of endorsements, 0 or more.
        count: int32 [edges], how often the step was seen.
        origin: int32 [edges], the passage of the step's strongest occurrence.
    """

    keys: NDArray[np.uint64]
    first: NDArray[np.int64]
    next: NDArray[np.int32]
    weight: NDArray[np.float32]
    count: NDArray[np.int32]
    origin: NDArray[np.int32]

    @classmethod
    def of(
        cls, passages: Sequence[Ids], endorsed: Sequence[Floats], longest: int = LONGEST
    ) -> TransitionStore:
        """The graph of some passages.

        Args:
            passages: int64 [n] each, tokens.
            endorsed: float [n - 1] each, what every step from one token to the next weighs.
            longest: Tokens in a key, at most.
        """
        found = [_steps(passages, endorsed, order) for order in range(1, longest + 1)]
        keys, following, weight, origin = (
            np.concatenate(part) for part in zip(*found, strict=True)
        )
        weight = np.maximum(weight, 0)
        order = np.lexsort((-weight, following, keys))
        keys, following, weight, origin = (a[order] for a in (keys, following, weight, origin))
        edges = np.flatnonzero(_changes(keys) | _changes(following))
        if not len(edges):
            return cls(keys, np.zeros(1, np.int64), following, weight, following, origin)
        counts = np.diff(edges, append=len(keys)).astype(np.int32)
        sums = np.add.reduceat(weight, edges, dtype=np.float64).astype(np.float32)
        rows = np.flatnonzero(_changes(keys[edges]))
        first = np.append(rows, len(edges))
        return cls(keys[edges][rows], first, following[edges], sums, counts, origin[edges])

    @classmethod
    def load(cls, folder: Path) -> TransitionStore:
        """The graph of a part, mapped into memory.

        Raises:
            UnavailableError: A file is damaged.
        """
        arrays = {n: load_array(folder / f"{n}.npy", kind, 1) for n, kind in _FILES.items()}
        edges = len(arrays["next"])
        fits = all(len(arrays[name]) == edges for name in ("weight", "count", "origin"))
        first = arrays["first"]
        if not fits or len(first) != len(arrays["keys"]) + 1 or first[-1] != edges:
            raise damaged(folder / "first.npy", "the sizes of the graph do not fit")
        return cls(**arrays)

    def save(self, folder: Path) -> None:
        """Write the files of a part.

        Raises:
            OSError: The disk is full, or the like.
        """
        for name in _FILES:
            save_array(folder / f"{name}.npy", getattr(self, name))

    def edges(self, context: Sequence[int], longest: int = LONGEST) -> slice:
        """The edges of the longest key that ends a context and has a row; empty where none has."""
        for order in range(min(longest, len(context)), 0, -1):
            key = _hashed([np.array([token]) for token in context[-order:]])[0]
            row = int(np.searchsorted(self.keys, key))
            if row < len(self.keys) and self.keys[row] == key:
                return slice(int(self.first[row]), int(self.first[row + 1]))
        return slice(0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """The steps that the evidence knows, as a bonus on log-probabilities; see `Source`.

    Attributes:
        store: The graph.
        most: Nats that the best step gains at most.
        patience: Sightings of a row at which half of that is given.
        longest: Tokens in a key, at most.
        gated: Whether sightings and the model's doubt weigh the bonus; else it is whole.
        free: Whether it speaks only where free text may stand.
        first: The number of the store's first passage.
    """

    store: TransitionStore
    most: float
    patience: float = 2.0
    longest: int = LONGEST
    gated: bool = True
    free: bool = True
    first: int = 0
    heads: tuple[tuple[int, int], ...] = ()
    needs: frozenset[Need] = field(init=False)

    def __post_init__(self) -> None:
        """The model is asked only where its doubt counts."""
        needs: set[Need] = {"log_p"} if self.gated else set()
        object.__setattr__(self, "needs", frozenset(needs))

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        return [self._look(m) if m.open or not self.free else None for m in moments]

    def _look(self, moment: Moment) -> Clues | None:
        edges = self.store.edges(moment.context, self.longest)
        weight = self.store.weight[edges].astype(np.float64)
        best = float(weight.max(initial=0))
        if not best:
            return None
        # Over all successors, not the allowed ones: where the strong one may not be said, a weak
        # one must stay weak.
        bonus = self.most * weight / best
        if self.gated:
            seen = float(self.store.count[edges].sum())
            bonus *= seen / (seen + self.patience) * self._doubt(moment)
        ids, origins = (a[edges].astype(np.int64) for a in (self.store.next, self.store.origin))
        return Clues(ids, bonus, origins=origins + self.first)

    @staticmethod
    def _doubt(moment: Moment) -> float:
        """The entropy of the model over its greatest possible one, in [0, 1]."""
        assert moment.log_p is not None, "it was asked for"
        log_p = moment.log_p.astype(np.float64)
        p = np.exp(log_p)
        return float(-(p * np.where(p > 0, log_p, 0)).sum() / np.log(len(log_p)))


def _steps(
    passages: Sequence[Ids], endorsed: Sequence[Floats], order: int
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """Key, next token, weight and passage of every step that has `order` tokens before it."""
    keys: list[NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
    following: list[Ids] = [np.zeros(0, np.int64)]
    weight: list[Floats] = [np.zeros(0, np.float32)]
    origin: list[Ids] = [np.zeros(0, np.int64)]
    for number, (tokens, weights) in enumerate(zip(passages, endorsed, strict=True)):
        count = max(len(tokens) - order, 0)
        keys.append(_hashed([tokens[n : n + count] for n in range(order)]))
        following.append(tokens[len(tokens) - count :])
        weight.append(weights[len(weights) - count :])
        origin.append(np.full(count, number))
    return (
        np.concatenate(keys),
        np.concatenate(following).astype(np.int32),
        np.concatenate(weight).astype(np.float32),
        np.concatenate(origin).astype(np.int32),
    )


def _hashed(columns: Sequence[Ids]) -> NDArray[np.uint64]:
    """uint64 [n]: one hash for the n-grams that stand side by side in these columns.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), once for every token.
    """
    mixed = np.full(len(columns[0]), len(columns), np.uint64)
    for column in columns:
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15) * (column.astype(np.uint64) + np.uint64(1))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def _changes(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Boolean [n]: whether a value differs from the one before it; the first does."""
    changes: NDArray[np.bool_] = np.ones(len(values), bool)
    changes[1:] = values[1:] != values[:-1]
    return changes
