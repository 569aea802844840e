"""Mask before head: the LM head is multiplied for the tokens that a mask allows, where it pays.

The mask of a position is known before its logits. Rows that may say few tokens get the logits of
those tokens (of all such rows together), and -inf where their masks let nobody look; so the step
needs to know nothing of this. Their log-probabilities then lack the normaliser of the vocabulary,
one constant a row: no choice depends on it but where log-probabilities themselves are read (a
repetition penalty, mixtures, a view's floor, measures). Such rows ask for the whole head.

When it pays is a rule of counts, not of clocks: a route that varied from run to run would let
rounding vary with it. Its constants were measured by benchmarks/head.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tether.decoding.cpu.tokens import Words, listed

if TYPE_CHECKING:
    from tether.decoding.models.base import Network

_SHARE = 4  # gathering a row of the head costs up to twice what multiplying it in place does
_WORTH = 1 << 20  # multiplications saved that pay for looking at the masks and the gathering
_PART = 1024  # rows gathered at once on a CPU, so that they are still in its cache when multiplied


@torch.inference_mode()
def step_logits(
    network: Network, hidden: Tensor, masks: Tensor | None, whole: Sequence[bool]
) -> Tensor:
    """The logits of a step, at least where the masks allow a token.

    Args:
        network: The head is its own.
        hidden: [rows, width], from its `forward`.
        masks: int32 [rows, words] on the CPU; None allows all.
        whole: Rows whose log-probabilities are read, so that all of the vocabulary is needed.

    Returns:
        [rows, head_size]; -inf at tokens that were not computed, none of which its row may say.
    """
    words = None if masks is None else masks.numpy().view(np.uint32)
    narrow = None if words is None else _narrow(network, words, whole)
    if words is None or narrow is None:
        return network.head(hidden)
    union = listed(np.bitwise_or.reduce(words[narrow], axis=0), network.head_size)
    ids, few, rest = (
        torch.from_numpy(chosen).to(hidden.device)
        for chosen in (union, np.flatnonzero(narrow), np.flatnonzero(~narrow))
    )
    small = network.head(hidden[few], ids)
    filled = small.new_full((len(hidden), network.head_size), -torch.inf)
    filled[few[:, None], ids] = small
    if len(rest):
        filled[rest] = network.head(hidden[rest])
    return filled


def linear_at(hidden: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor) -> Tensor:
    """`F.linear(hidden, weight[ids], bias[ids])` without a copy of all these weights on a CPU."""
    part = _PART if hidden.device.type == "cpu" else max(1, len(ids))
    products = []
    for at in range(0, len(ids), part):
        some = ids[at : at + part]
        chosen = weight.index_select(0, some)
        products.append(F.linear(hidden, chosen, None if bias is None else bias[some]))
    return torch.cat(products, dim=1)


def _narrow(network: Network, words: Words, whole: Sequence[bool]) -> NDArray[np.bool_] | None:
    """The rows, bool [rows], whose few allowed tokens are computed alone; None where none pay."""
    size, width = network.head_size, network.head_width
    if len(words) * size * width < _WORTH:
        return None
    narrow = (_count(words) * _SHARE <= size) & ~np.array(whole)
    together = int(_count(np.bitwise_or.reduce(words[narrow], axis=0)))
    if together * _SHARE > size or int(narrow.sum()) * (size - together) * width < _WORTH:
        return None
    # A GPU reads the whole head for the other rows anyway; on a CPU fewer rows take less time.
    return narrow if narrow.all() or network.device.type == "cpu" else None


def _count(words: Words) -> NDArray[np.int64]:
    """Tokens that each mask allows."""
    counts: NDArray[np.int64] = np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
    return counts
