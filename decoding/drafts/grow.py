"""Drafts of several drafters grown into one tree that the grammar has seen.

The most valuable token first (`merge.py`), and each only after the grammar has let it stand: what
it forbids is dropped with all that follows, what it forces is put in, and at the end of what is
left the drafters are asked again. So no forward reads what could not be said.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from tether.decoding.drafts.draft import Draft, Drafter, Spot
from tether.decoding.drafts.merge import merge
from tether.errors import DeadEnd
from tether.grammars.constraint import Mask, Matcher

_FEW = 12  # tokens in a mask from which on nothing is forced: they are not beginnings of one text


@dataclass(slots=True)
class Sapling:
    """A drafted tree, the most valuable tokens first.

    Attributes:
        tokens: Of each node.
        parents: As in `Draft`.
        gains: What the answer after each is worth: the chance that it is asked for. 0 within a run
            of forced tokens, after which nothing is chosen.
        masks: int32 [words], what may be said after each; empty where anything may be.
    """

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    masks: list[Mask] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)

    def cut(self, count: int) -> Draft:
        """The first nodes, laid out so that the likeliest path stands first where it can."""
        order = self._order(count)
        places = {node: place for place, node in enumerate(order)}
        places[-1] = -1
        self.masks = [self.masks[node] for node in order] if self.masks else []
        self.tokens = [self.tokens[node] for node in order]
        self.parents = [places[self.parents[node]] for node in order]
        self.gains = [self.gains[node] for node in order]
        return Draft(tuple(self.tokens), tuple(self.parents), (1.0,) * count)

    def _order(self, count: int) -> list[int]:
        """Depth first, the better child before its siblings: no column of the cache moves then."""
        children: dict[int, list[int]] = {}
        for node in range(count):
            children.setdefault(self.parents[node], []).append(node)
        order, open_ = list[int](), children.get(-1, [])[::-1]
        while open_:
            node = open_.pop()
            order.append(node)
            open_ += children.get(node, [])[::-1]
        return order


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A merged draft, to be looked at token by token."""

    tokens: Sequence[int]
    chances: Sequence[float]
    children: dict[int, list[int]]


class Grower:
    """Grows the tree of one row.

    Args:
        spot: Where the row stands. Its matcher is moved, and is back at the end.
        drafters: Asked in this order.
        sayable: Bool [vocab], tokens that may be drafted: no ends of text, nothing but text.
        budget: The most nodes.
        least: Only values above it.
    """

    def __init__(
        self,
        spot: Spot,
        drafters: Sequence[Drafter],
        sayable: Sequence[bool],
        budget: int,
        least: float,
    ) -> None:
        self._spot, self._drafters, self._sayable = spot, drafters, sayable
        self._budget, self._least = budget, least
        self._path: list[int] = []  # nodes that the matcher stands after
        self._heap: list[tuple[float, int, int, _Proposal | None, int]] = []
        self._num_seen = 0
        self._root: Mask | None = None
        self.sapling = Sapling()

    def grow(self) -> Sapling:
        """The tree."""
        try:
            self._ask(-1, 1.0)
            while self._heap and self._left:
                value, _, parent, proposal, place = heapq.heappop(self._heap)
                if proposal is None:
                    self._ask(parent, -value)
                else:
                    self._take(parent, -value, proposal, place)
        finally:
            self._climb(-1)
        return self.sapling

    @property
    def _left(self) -> int:
        return self._budget - len(self.sapling.tokens)

    def _ask(self, node: int, value: float) -> None:
        """Let the drafters go on after a node."""
        self._climb(node)
        least, spot = self._least / value, self._spot
        if self._path:
            context = [*spot.context, *(self.sapling.tokens[at] for at in self._path)]
            drafted = len(self._path)
            spot = Spot(spot.row, spot.request, context, drafted, spot.matcher, least)
        drafts = [(each.name, each.propose(spot, self._left)) for each in self._drafters]
        proposal = _merged([given for given in drafts if given[1].tokens], self._left, least)
        self._push(node, value, proposal, proposal.children.get(-1, ()))

    def _push(
        self, node: int, value: float, proposal: _Proposal | None, places: Sequence[int]
    ) -> None:
        for place in places:
            worth = value if proposal is None else value * proposal.chances[place]
            if worth > self._least:
                self._num_seen += 1
                heapq.heappush(self._heap, (-worth, self._num_seen, node, proposal, place))

    def _take(self, parent: int, value: float, proposal: _Proposal, place: int) -> None:
        """Put a token in the tree with what it forces, where it may stand."""
        token = proposal.tokens[place]
        if not 0 <= token < len(self._sayable) or not self._sayable[token]:
            return
        run = [token]
        if (matcher := self._spot.matcher) is not None:
            if not _allows(self._after(parent, matcher), token):
                return
            self._climb(parent)
            masks = self._enter(matcher, run)
            if masks is None:
                return
            self.sapling.masks += masks
        node = self._add(parent, run, value)
        places = self._descend(proposal, place, run[1:])
        self._push(node, value, proposal if places else None, places or (0,))

    def _after(self, node: int, matcher: Matcher) -> Mask:
        """What may be said after a node; asked after the row itself before any node stands."""
        if node >= 0:
            return self.sapling.masks[node]
        if self._root is None:
            self._root = matcher.mask()
        return self._root

    def _descend(self, proposal: _Proposal, place: int, forced: Sequence[int]) -> Sequence[int]:
        """What the proposal holds after forced tokens; nothing where it says something else."""
        for token in forced:
            after = proposal.children.get(place, ())
            found = next((child for child in after if proposal.tokens[child] == token), None)
            if found is None:
                return ()
            place = found
        return proposal.children.get(place, ())

    def _enter(self, matcher: Matcher, run: list[int]) -> list[Mask] | None:
        """Move past a token and what it forces, which joins the run.

        Returns:
            The mask after each token; None, and the matcher where it was, where the answer after
            them is not worth reading.
        """
        masks: list[Mask] = []
        num_advanced = 0
        with suppress(DeadEnd):
            while num_advanced < len(run) <= self._left:
                matcher.advance(run[num_advanced])
                num_advanced += 1
                masks.append(matcher.mask())
                if num_advanced == 1 and _is_few(masks[0]):
                    run += matcher.forced()
            if len(masks) == len(run) and not matcher.ended:
                return masks
        matcher.rollback(num_advanced)
        return None

    def _add(self, parent: int, run: Sequence[int], value: float) -> int:
        """Nodes for a token and what it forces; the last one."""
        tree = self.sapling
        for place, token in enumerate(run):
            tree.tokens.append(token)
            tree.parents.append(parent)
            tree.gains.append(value if place == len(run) - 1 else 0.0)
            parent = len(tree) - 1
            self._path.append(parent)
        return parent

    def _climb(self, node: int) -> None:
        """Move the matcher to after a node."""
        if node == (self._path[-1] if self._path else -1):
            return
        path = list[int]()
        while node >= 0:
            path.append(node)
            node = self.sapling.parents[node]
        path.reverse()
        same = next(
            (n for n, (a, b) in enumerate(zip(path, self._path, strict=False)) if a != b),
            min(len(path), len(self._path)),
        )
        if (matcher := self._spot.matcher) is not None:
            matcher.rollback(len(self._path) - same)
            for each in path[same:]:
                matcher.advance(self.sapling.tokens[each])
        self._path = path


def _merged(drafts: Sequence[tuple[str, Draft]], budget: int, least: float) -> _Proposal:
    """The drafts as one, the best tokens of each place first."""
    if len(drafts) == 1:
        draft = drafts[0][1]
        return _Proposal(draft.tokens, draft.chances, _children(draft.parents))
    tree = merge(drafts, budget, least)
    above = [1.0 if parent < 0 else tree.values[parent] for parent in tree.parents]
    chances = [value / before for value, before in zip(tree.values, above, strict=True)]
    return _Proposal(tree.tokens, chances, _children(tree.parents))


def _children(parents: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for node, parent in enumerate(parents):
        found.setdefault(parent, []).append(node)
    return found


def _is_few(mask: Mask) -> bool:
    if np.count_nonzero(mask) > _FEW:  # words: most often the answer, and the fastest one
        return False
    return sum(map(int.bit_count, mask[mask != 0].view(np.uint32).tolist())) <= _FEW


def _allows(mask: Mask, token: int) -> bool:
    return bool(mask.item(token >> 5) >> (token & 31) & 1)
