"""What the model's answers say about the tokens that may follow, in plain arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tether.decoding.drafts.draft import Verdict

BEST = 8
"""Successors that are kept of a place."""

_PRIOR = 8.0  # so many examples weigh what is thought of a rank before any are seen


def best(logits: Tensor) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The best tokens of each answer and their log-probabilities, both [answers, BEST].

    Args:
        logits: float [answers, vocab]; where the grammar left tokens out, among those that it kept.

    Returns:
        -1 and -inf where there are no more tokens.
    """
    scores = logits.float()
    found = scores.topk(min(BEST, scores.shape[1]), dim=1)
    log_q = found.values - scores.logsumexp(dim=1, keepdim=True)
    log_q = torch.nan_to_num(log_q, nan=-torch.inf, neginf=-torch.inf)
    ids = found.indices.masked_fill(log_q.isneginf(), -1)
    return ids.cpu().numpy().astype(np.int32), log_q.cpu().numpy()


def places(verdict: Verdict, length: int) -> Iterator[tuple[int, ...]]:
    """The last tokens, at most `length`, before each answer of a verdict."""
    end = tuple(verdict.context[-length:])
    yield end
    draft = verdict.draft
    for node in range(len(draft)):
        path = [draft.tokens[at] for at in draft.path(node)]
        yield (*end, *path)[-length:]


class Ranks:
    """How often the best, the second best ... of some candidates was chosen.

    Args:
        kinds: Candidates of different kinds are told apart.
    """

    def __init__(self, kinds: int = 1) -> None:
        prior = [0.5 * 0.5**rank for rank in range(BEST)]
        self._hits = [[_PRIOR * share for share in prior] for _ in range(kinds)]
        self._tries = [_PRIOR] * kinds

    def chance(self, rank: int, kind: int = 0) -> float:
        """That the candidate of this rank is chosen."""
        return self._hits[kind][rank] / self._tries[kind]

    def learn(self, rank: int | None, kind: int = 0) -> None:
        """The candidate of this rank was chosen; None for none of them."""
        self._tries[kind] += 1
        if rank is not None:
            self._hits[kind][rank] += 1
