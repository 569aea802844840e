"""Many token sequences as one compressed trie, read where it lies.

Names are sorted by their tokens; the place of a name in that order is its rank. Below a node are
the names of one interval of ranks, so a set of candidates is a sorted array of ranks, and a child
survives where one of them lies in its interval. No trie is ever made for a set.

A node holds a token, its first rank and its first child; the children of a node stand together,
sorted by token. A node with one name left has no children: the rest of that name is its tail.

    nodes.npy   uint32 [3, num_nodes + 1]: token, first rank, first child of each node
    tails.npy   uint32 [num_names + 1] offsets into tokens.npy, uint32 [num_tail_tokens]
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tether.graphs import Place, Ranks
from tether.grounding.index.strings import load_array, save_array

Numbers = NDArray[np.uint32]


class Trie:
    """The trie of a folder. Places in a tail are numbered on behind the nodes."""

    def __init__(self, folder: Path) -> None:
        self._token, self._first_rank, self._first_child = load_array(
            folder / "nodes.npy", "uint32", 2
        )
        self._tails = load_array(folder / "tails.npy", "uint32", 1)
        self._rest = load_array(folder / "tokens.npy", "uint32", 1)
        self.num_names = len(self._tails) - 1
        self._num_nodes = len(self._token) - 1

    def start(self) -> Place:
        """The root."""
        return self._place(0, 0, self.num_names)

    def tokens(self, place: Place, among: Ranks | None = None) -> NDArray[np.int64]:
        """Tokens, int64 [n], by which a name (of `among`) goes on from `place`."""
        node, low, high = place
        if node >= self._num_nodes:
            return self._tail_token(node - self._num_nodes, low, among)
        first, last = self._first_child[node], self._first_child[node + 1]
        found = self._token[first:last]
        if among is not None and len(found):
            bounds = np.append(self._first_rank[first:last], np.uint32(high))
            found = found[np.diff(np.searchsorted(among, bounds)) > 0]
        return np.asarray(found, np.int64)

    def step(self, place: Place, token: int) -> Place | None:
        """The place after `token`; None where no name goes on with it."""
        node, low, high = place
        if node >= self._num_nodes:
            at = node - self._num_nodes
            fits = at < self._tails[low + 1] and self._rest[at] == token
            return Place(node + 1, low, high) if fits else None
        first, last = int(self._first_child[node]), int(self._first_child[node + 1])
        child = first + int(np.searchsorted(self._token[first:last], token))
        if child == last or self._token[child] != token:
            return None
        end = high if child + 1 == last else int(self._first_rank[child + 1])
        return self._place(child, int(self._first_rank[child]), end)

    def ended(self, place: Place) -> int | None:
        """The rank of the name that is complete here, if one is; others may go on."""
        node, low, high = place
        if node >= self._num_nodes:
            return low if node - self._num_nodes == self._tails[low + 1] else None
        first = self._first_child[node]
        is_complete = low < high and self._first_rank[first] > low
        return low if is_complete else None

    def _place(self, node: int, low: int, high: int) -> Place:
        """A node, or the beginning of the tail where one name is left."""
        if high - low == 1:
            return Place(self._num_nodes + int(self._tails[low]), low, high)
        return Place(node, low, high)

    def _tail_token(self, at: int, rank: int, among: Ranks | None) -> NDArray[np.int64]:
        is_over = at == self._tails[rank + 1]
        if is_over or (among is not None and not _holds(among, rank)):
            return np.zeros(0, np.int64)
        return self._rest[at : at + 1].astype(np.int64)


def write_trie(folder: Path, sequences: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Write the trie of sequences, all different and none empty.

    Returns:
        int64 [num_names], the sequence of each rank.
    """
    keys = [struct.pack(f">{len(tokens)}I", *tokens) for tokens in sequences]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    lengths = np.array([len(keys[i]) // 4 for i in order], np.int64)
    flat = np.frombuffer(b"".join(keys[i] for i in order), ">u4").astype(np.uint32)
    ends = np.cumsum(lengths)
    nodes, depths = _grow(flat, ends - lengths, lengths)
    save_array(folder / "nodes.npy", nodes)
    tails = np.concatenate([[0], np.cumsum(lengths - depths)])
    save_array(folder / "tails.npy", tails.astype(np.uint32))
    inside = np.arange(len(flat)) - (ends - lengths).repeat(lengths)
    save_array(folder / "tokens.npy", flat[inside >= depths.repeat(lengths)])
    return np.array(order, np.int64)


def _grow(
    flat: Numbers, begins: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[Numbers, NDArray[np.int64]]:
    """The nodes, level by level, and how many tokens of each rank they hold.

    Args:
        flat: uint32 [num_tokens], the sequences in their order.
        begins: int64 [num_names], where each begins.
        lengths: int64 [num_names].
    """
    depths = lengths.copy()
    ranks, parents = np.arange(len(lengths)), np.zeros(len(lengths), np.int64)
    levels = [np.zeros((3, 1), np.int64)]  # token, first rank, parent
    depth, num_nodes = 0, 1
    if len(lengths) == 1:
        depths[:], ranks = 0, ranks[:0]
    while True:
        goes_on = lengths[ranks] > depth
        ranks, parents = ranks[goes_on], parents[goes_on]
        if not len(ranks):
            break
        tokens = flat[begins[ranks] + depth].astype(np.int64)
        is_new = np.append(True, (np.diff(parents) != 0) | (np.diff(tokens) != 0))
        levels.append(np.stack([tokens[is_new], ranks[is_new], parents[is_new]]))
        group = np.cumsum(is_new) - 1
        is_alone = np.bincount(group)[group] == 1
        depth += 1
        depths[ranks[is_alone]] = depth
        ranks, parents = ranks[~is_alone], (num_nodes + group)[~is_alone]
        num_nodes += levels[-1].shape[1]
    token, first_rank, parent = np.concatenate(levels, axis=1)
    children = np.bincount(parent[1:], minlength=num_nodes)
    first_child = 1 + np.cumsum(children) - children
    table = np.stack([token, first_rank, first_child])
    end = np.array([[0], [len(lengths)], [num_nodes]])
    return np.concatenate([table, end], axis=1).astype(np.uint32), depths


def _holds(ranks: Ranks, rank: int) -> bool:
    at = int(np.searchsorted(ranks, rank))
    return at < len(ranks) and int(ranks[at]) == rank
