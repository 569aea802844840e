"""Stochastic beam search: whole paths drawn without replacement, level by level.

Every path has a perturbed score, its log-probability plus Gumbel noise; those of a node's children
are drawn so that the greatest is the node's own. So the best paths of a level are a sample without
replacement, and siblings in falling order of score are what `rules.candidates_rule` expects.
Source: Kool et al. 2019 (arXiv 1903.06059), as drafts Jeon et al. 2024 (2402.14160).
"""

from __future__ import annotations

import torch
from torch import Tensor


def perturbed(log_q: Tensor, noise: Tensor, total: Tensor, greatest: Tensor) -> Tensor:
    """Scores of the children of some nodes, the greatest of each node's being its own.

    Args:
        log_q: float [nodes, vocab], of each child given its node; -inf cannot be drawn.
        noise: [nodes, vocab], standard Gumbel.
        total: [nodes], log-probability of each node's path.
        greatest: [nodes], the nodes' own scores.

    Returns:
        [nodes, vocab]. Computed as the paper's appendix B.3 does, where nothing overflows.
    """
    free = total[:, None] + log_q + noise
    best = free.amax(dim=1, keepdim=True)
    own = greatest[:, None]
    gap = own - free + torch.log1p(-(free - best).exp())
    moved = own - gap.clamp(min=0) - torch.log1p((-gap.abs()).exp())
    moved = torch.where(free == best, own, moved)
    return moved.masked_fill(torch.isneginf(log_q), -torch.inf)


def widest(scores: Tensor, width: int) -> list[tuple[int, int]]:
    """Node and token of the `width` best children, best first; none that cannot be drawn."""
    best = scores.flatten().topk(min(width, scores.numel()))
    vocab = scores.shape[1]
    drawn = best.indices[~torch.isneginf(best.values)].tolist()
    return [divmod(place, vocab) for place in drawn]
