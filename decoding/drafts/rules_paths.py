"""Several paths drawn alike, of which one is verified as a block: the greatest of them.

At every place tokens are ordered by p / q, so the path that is greatest from its first token on is
the one that the model likes best where it can choose. The law of the greatest of n paths is known
in closed form, place by place, and takes the place of q in the block rule.
Source: greedy multi-path block verification; the construction is ours, and exact (tests).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Path = tuple[int, ...]
At = Callable[[Path], Tensor | None]
"""From the tokens before a place to a distribution there, [vocab]; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Greatest:
    """The greatest of some paths, as a chain that `rules.block_rule` verifies.

    Attributes:
        tokens: Of the path.
        p: float [length + 1, vocab], the model's distribution before and after each; zeros where
            it is not known after the last.
        q: float [length, vocab], the law of each token of the greatest path, given those before.
    """

    tokens: Path
    p: Tensor
    q: Tensor


def greatest(paths: Sequence[Path], p: At, q: Mapping[Path, Tensor]) -> Greatest:
    """The greatest of paths that were drawn from q, each by itself, as far as p is known.

    Args:
        paths: At least one; the same path may stand in it several times. Where one of those with
            the same first tokens ends, all of them do.
        p: The model's distributions, known after no tokens; asked only along the greatest path.
        q: What each token was drawn from, by the tokens before it.
    """
    path: Path = ()
    laws, count = [], len(paths)
    below, mass = 0.0, 1.0  # q's mass of the paths below this prefix, and of the prefix itself
    known, rows = p(path), []
    while known is not None and len(path) < len(paths[0]):
        rows.append(known)
        drawn_from = q[path]
        order = (known / drawn_from).nan_to_num(nan=-1.0).argsort(stable=True)
        ranked, smaller = drawn_from[order], torch.empty_like(drawn_from)
        smaller[order] = ranked.cumsum(0) - ranked
        law = _of_greatest(below + mass * smaller, mass * drawn_from, count)
        laws.append(law / _of_greatest(drawn_from.new_tensor(below), mass, count))
        rank = {token: place for place, token in enumerate(order.tolist())}
        token = max({other[len(path)] for other in paths}, key=rank.__getitem__)
        below += mass * float(smaller[token])
        mass *= float(drawn_from[token])
        paths = [other for other in paths if other[len(path)] == token]
        path = (*path, token)
        known = p(path)
    rows.append(torch.zeros_like(rows[0]) if known is None else known)
    return Greatest(path, torch.stack(rows), torch.stack(laws))


def _of_greatest(below: Tensor, mass: Tensor | float, count: int) -> Tensor:
    """(below + mass) ** count - below ** count, without cancellation."""
    powers = [(below + mass) ** n * below ** (count - 1 - n) for n in range(count)]
    return mass * torch.stack(powers).sum(0)
