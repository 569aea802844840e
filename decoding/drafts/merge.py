"""Many drafts, one tree: the tokens that are most likely to be accepted, under a budget.

The value of a token is the product of the chances on its path, so it never exceeds its parent's,
and taking the best first always gives a tree. This is the heap of DySpec, Xiong et al. 2024 (arXiv
2410.11744). There a place's first candidate y has the value v * q(y), and the slot of the next one
v * (1 - q(y)), of which it takes its share of what is left of q: v times its own probability again.
So a candidate is known by one number, and that may be the calibrated chance of any drafter.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tether.decoding.drafts.draft import Draft


@dataclass(slots=True)
class Tree:
    """Drafted tokens, the most valuable first, so parents stand before their children.

    Attributes:
        tokens: Of each node.
        parents: As in `Draft`.
        values: The chance of each to be accepted with all before it; falling.
        drafters: Who proposed it.
    """

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    drafters: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Node:
    path: tuple[int, ...]
    value: float
    drafter: str
    children: dict[int, _Node] = field(default_factory=dict)


def merge(drafts: Iterable[tuple[str, Draft]], budget: int, least: float = 0.0) -> Tree:
    """The `budget` best nodes of all drafts whose value is above `least`; equal paths are one.

    A path that several drafters propose has the value that the most trusting one gives it: they
    read the same text, so agreement is no second witness.

    Args:
        drafts: Each with the name of its drafter.
        budget: The most nodes.
        least: Only values above it.
    """
    root = _Node((), 1.0, "")
    for drafter, draft in drafts:
        _insert(root, drafter, draft)
    return _tree(_best_first(root, lambda node: node.children.values(), least), budget)


def grow(
    drafter: str,
    candidates: Callable[[tuple[int, ...]], Iterable[tuple[int, float]]],
    budget: int,
    least: float = 0.0,
    deepest: int = 64,
) -> Tree:
    """The `budget` best nodes of a drafter that is asked place by place, as few as possible.

    Args:
        drafter: Its name.
        candidates: From the drafted tokens before a place to tokens there and their chances.
        budget: The most nodes.
        least: Only values above it.
        deepest: The longest path.
    """

    def ahead(node: _Node) -> Iterator[_Node]:
        for token, chance in candidates(node.path) if len(node.path) < deepest else ():
            yield _Node((*node.path, token), node.value * chance, drafter)

    return _tree(_best_first(_Node((), 1.0, ""), ahead, least), budget)


def _insert(root: _Node, drafter: str, draft: Draft) -> None:
    """Add the paths of a draft; values are products of its own chances."""
    nodes: list[_Node] = []
    values: list[float] = []
    for token, parent, chance in zip(draft.tokens, draft.parents, draft.chances, strict=True):
        above = root if parent < 0 else nodes[parent]
        values.append((1.0 if parent < 0 else values[parent]) * chance)
        fresh = _Node((*above.path, token), values[-1], drafter)
        node = above.children.setdefault(token, fresh)
        if values[-1] > node.value:
            node.value, node.drafter = values[-1], drafter
        nodes.append(node)


def _best_first(
    root: _Node, ahead: Callable[[_Node], Iterable[_Node]], least: float
) -> Iterator[tuple[_Node, int]]:
    """Nodes in falling value, each with the place in this order of its parent (-1: the root)."""
    slots: list[tuple[float, int, int, _Node]] = []
    num_seen, parent, node = 0, -1, root
    while True:
        for child in ahead(node):
            if child.value > least:
                heapq.heappush(slots, (-child.value, num_seen, parent, child))
                num_seen += 1
        if not slots:
            return
        _, _, above, node = heapq.heappop(slots)
        yield node, above
        parent += 1


def _tree(nodes: Iterable[tuple[_Node, int]], budget: int) -> Tree:
    tree = Tree()
    for node, parent in nodes:
        if len(tree.tokens) == budget:
            break
        tree.tokens.append(node.path[-1])
        tree.parents.append(parent)
        tree.values.append(node.value)
        tree.drafters.append(node.drafter)
    return tree
