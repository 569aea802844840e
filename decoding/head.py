"""Mask before head: the LM head is multiplied for the tokens that a mask allows, where it pays.

The mask of a position is known before its logits. Where the rows of a step may say few tokens, all
together, only the logits of those are computed, and the others are -inf: no mask lets anybody look
there, so the step needs to know nothing of this. Log-probabilities then lack the normaliser of the
vocabulary, one constant a row. No choice depends on it but where log-probabilities are read and not
only compared: a repetition penalty, mixtures, a view's floor, measures.

When it pays is a rule of counts, not of clocks: a route that varied from run to run would let
rounding vary with it. Its constants were measured by benchmarks/head.py. Rows with few tokens are
not computed apart from rows with many: a CPU multiplies three rows no faster than eight, and a GPU
reads the whole head for one row as for eight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tether.decoding.cpu.tokens import Ids, listed

if TYPE_CHECKING:
    from tether.decoding.models.base import Network

_SHARE = 8  # gathering a row of the head and multiplying it: two to four times the product alone
_WORTH = {"cpu": 1 << 21}  # weights left out that pay for looking at masks and for gathering
_WORTH_ELSEWHERE = 1 << 27  # what a GPU reads while it starts the five kernels more
_PART = 1024  # rows gathered at once on a CPU, so that they are still in its cache when multiplied


@torch.inference_mode()
def step_logits(network: Network, hidden: Tensor, masks: Tensor | None) -> Tensor:
    """The logits of a step, at least where the masks allow a token.

    Args:
        network: The head is its own.
        hidden: [rows, width], from its `forward`.
        masks: int32 [rows, words] on the CPU; None where all logits are read.

    Returns:
        [rows, head_size]; -inf at tokens that were not computed, none of which a row may say.
    """
    few = None if masks is None else _few(network, masks)
    if few is None:
        return network.head(hidden)
    ids = torch.from_numpy(few).to(hidden.device)
    found = network.head(hidden, ids)
    whole = found.new_full((len(hidden), network.head_size), -torch.inf)
    return whole.index_copy_(1, ids, found)


def pays(network: Network) -> bool:
    """Whether a head is so large that masks may be worth looking at."""
    worth = _WORTH.get(network.device.type, _WORTH_ELSEWHERE)
    return network.head_size * network.head_width >= worth


def linear_at(hidden: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor) -> Tensor:
    """`F.linear(hidden, weight[ids], bias[ids])` without a copy of all these weights on a CPU."""
    part = _PART if hidden.device.type == "cpu" else max(1, len(ids))
    products = []
    for at in range(0, len(ids), part):
        some = ids[at : at + part]
        chosen = weight.index_select(0, some)
        products.append(F.linear(hidden, chosen, None if bias is None else bias[some]))
    return torch.cat(products, dim=1)


def _few(network: Network, masks: Tensor) -> Ids | None:
    """The tokens that some row allows, rising; None where the whole head is as cheap."""
    if not pays(network):
        return None
    size, width = network.head_size, network.head_width
    worth = _WORTH.get(network.device.type, _WORTH_ELSEWHERE)
    words = np.bitwise_or.reduce(masks.numpy().view(np.uint32), axis=0)
    count = int(np.bitwise_count(words).sum())
    if count * _SHARE > size or (size - count) * width < worth:
        return None
    return listed(words, size)
