"""Training of a draft head: what the model would say a few tokens on, from its state here.

The model is only read. Its own likeliest tokens are the targets, so a head needs texts and no
labels; each state is followed for as many tokens as a draft is long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tether.decoding.drafts.head_net import HeadNet
from tether.decoding.models.base import Model, Network
from tether.decoding.states import read

_DEPTH = 5  # tokens that every state is followed for
_BATCH = 512  # states of one step
_RATE = 3e-3

Text = tuple[Sequence[int], int]
"""Token ids, and the place from which the model says them."""


def train(model: Model, texts: Iterable[Sequence[Text]], steps: int, seed: int) -> HeadNet:
    """A head for a model.

    Args:
        model: Whose states are read.
        texts: Batches of them; as many as the steps need.
        steps: Of the optimiser.
        seed: Of the first weights and of the order.
    """
    network = model.network
    net = HeadNet.fresh(network.head_size, network.head_width, seed)
    weights = [weight.requires_grad_() for weight in net.weights().values()]
    optimiser = torch.optim.AdamW(weights, lr=_RATE, weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
    for _, (states, ahead, targets) in zip(
        range(steps), _samples(network, texts, seed), strict=False
    ):
        optimiser.zero_grad()
        torch.autograd.backward(loss(network, net, states, ahead, targets))
        optimiser.step()
        rates.step()
    return net


def loss(network: Network, net: HeadNet, states: Tensor, ahead: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over the depths of a draft.

    Args:
        network: Whose LM head reads the states.
        net: The head.
        states: [n, width].
        ahead: int64 [n, depth], the tokens after each state.
        targets: int64 [n, depth], what the model likes best after those; -1 where the text ends.
    """
    total = states.new_zeros(())
    for depth in range(ahead.shape[1]):
        states = net.step(states, ahead[:, depth])
        total = total + F.cross_entropy(
            network.head(states).float(), targets[:, depth], ignore_index=-1
        )
    return total / ahead.shape[1]


def foretold(network: Network, net: HeadNet, texts: Sequence[Text]) -> list[float]:
    """By depth, the share of the model's likeliest tokens that the head names, on other texts."""
    with torch.no_grad():
        states, ahead, targets = _pairs(network, texts)
        shares = []
        for depth in range(ahead.shape[1]):
            states = net.step(states, ahead[:, depth])
            there = targets[:, depth] >= 0
            right = network.head(states).argmax(1) == targets[:, depth]
            shares.append(float(right[there].float().mean()))
    return shares


def _samples(
    network: Network, texts: Iterable[Sequence[Text]], seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of `loss`, in random order within each batch of texts."""
    source = torch.Generator().manual_seed(seed)
    for batch in texts:
        pairs = _pairs(network, batch)
        order = torch.randperm(len(pairs[0]), generator=source)
        for part in torch.split(order, _BATCH):
            yield pairs[0][part], pairs[1][part], pairs[2][part]


def _pairs(network: Network, texts: Sequence[Text]) -> tuple[Tensor, Tensor, Tensor]:
    """States from which something is said, what follows them, and what the model likes there."""
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    starts = [start for _, start in texts]
    for piece, found in read(network, [ids for ids, _ in texts]):
        ids = torch.tensor(piece.tokens)
        likes = network.head(found).argmax(1)
        first = max(0, starts[piece.row] - 1 - piece.first)
        places = torch.arange(first, len(ids) - 1)
        offsets = places[:, None] + torch.arange(1, _DEPTH + 1)
        is_real = offsets < len(ids)
        inside = offsets.clamp(max=len(ids) - 1)
        kept.append((found[places], ids[inside], likes[inside].masked_fill(~is_real, -1)))
    return tuple(torch.cat(part).clone() for part in zip(*kept, strict=True))  # type: ignore[return-value]
