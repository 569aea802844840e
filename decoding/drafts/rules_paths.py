"""Several paths drawn alike, of which one is verified as a block: the greatest of them.

At every place tokens are ordered by p / q, so the path that is greatest from its first token on is
the one that the model likes best where it can choose. The law of the greatest of n paths is known
in closed form, place by place, and takes the place of q in the block rule.
Source: greedy multi-path block verification; the construction is ours, and exact (tests).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

At = Callable[[tuple[int, ...]], Tensor]
"""From the tokens before a place to a distribution there, [vocab]."""


@dataclass(frozen=True, slots=True)
class Greatest:
    """The greatest of some paths, as a chain that `rules.block_rule` verifies.

    Attributes:
        tokens: Of the path.
        p: float [length + 1, vocab], the model's distribution before and after each.
        q: float [length, vocab], the law of each token of the greatest path, given those before.
    """

    tokens: tuple[int, ...]
    p: Tensor
    q: Tensor


def greatest(paths: Sequence[tuple[int, ...]], p: At, q: At) -> Greatest:
    """The greatest of paths of one length that were drawn from q, each by itself.

    Args:
        paths: At least one; the same path may stand in it several times.
        p: The model's distributions, asked only along the greatest path.
        q: Those that every path was drawn from.
    """
    path: tuple[int, ...] = ()
    rows, laws, count = [], [], len(paths)
    below, mass = 0.0, 1.0  # q's mass of the paths below this prefix, and of the prefix itself
    while len(path) < len(paths[0]):
        drawn_from, wanted = q(path), p(path)
        order = (wanted / drawn_from).nan_to_num(nan=-1.0).argsort(stable=True)
        smaller = torch.empty_like(drawn_from)
        ranked = drawn_from[order]
        smaller[order] = ranked.cumsum(0) - ranked
        law = _of_greatest(below + mass * smaller, mass * drawn_from, count)
        rows.append(wanted)
        laws.append(law / _of_greatest(drawn_from.new_tensor(below), mass, count))
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device)
        token = max({other[len(path)] for other in paths}, key=rank.tolist().__getitem__)
        below += mass * float(smaller[token])
        mass *= float(drawn_from[token])
        paths = [other for other in paths if other[len(path)] == token]
        path = (*path, token)
    return Greatest(path, torch.stack([*rows, p(path)]), torch.stack(laws))


def _of_greatest(below: Tensor, mass: Tensor | float, count: int) -> Tensor:
    """(below + mass) ** count - below ** count, without cancellation."""
    powers = [(below + mass) ** n * below ** (count - 1 - n) for n in range(count)]
    return mass * torch.stack(powers).sum(0)
