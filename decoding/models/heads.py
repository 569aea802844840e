"""Which attention heads copy: those that look at the token to be said next, on repeated noise.

The retrieval-head test: some tokens drawn at random are said twice. Nothing but the first time
says how the second goes on, so a head whose top position there is the very next token copies.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.models.base import Head, Model, Network, Watch
from tether.errors import UsageError

_ROWS, _LENGTH, _SEED = 8, 24, 0
_LEAST = 0.5  # share of the steps at which a copying head is right
_NEAR = 0.8  # of the best one's share: watching a head costs time
_MOST = 8
_known: WeakKeyDictionary[Network, tuple[Head, ...]] = WeakKeyDictionary()


def copying_heads(model: Model) -> tuple[Head, ...]:
    """The heads (layer, number) that copy best, at most eight; tested once for a network.

    Raises:
        UsageError: None of this model's heads copies.
    """
    network = model.network
    if network not in _known:
        scores = copy_scores(network, _noise(model))
        layers, numbers = torch.nonzero(
            scores >= max(_LEAST, _NEAR * float(scores.max())), as_tuple=True
        )
        heads = zip(layers.tolist(), numbers.tolist(), strict=True)
        best = sorted(heads, key=lambda head: (-float(scores[head]), head))[:_MOST]
        _known[network] = tuple(sorted(best))
    if not _known[network]:
        raise UsageError(
            f"No attention head of {model.name} copies.",
            hint="Use `copy,by=ngram`, or a trained model.",
        )
    return _known[network]


def copy_scores(network: Network, noise: Tensor) -> Tensor:
    """How often each head's top position is the token to be said next, [layers, heads].

    Args:
        network: Whose heads are tested.
        noise: int64 [rows, length], different tokens; said twice.
    """
    rows, length = noise.shape
    heads = tuple((n, h) for n in range(network.num_layers) for h in range(network.num_heads))
    cache = SlotCache(network.num_layers, rows)
    cache.grow(rows)
    said, hits = noise, torch.zeros(len(heads))
    for place in range(length):
        if place:
            said = noise[:, place - 1 : place]
        watch = Watch(heads)
        window = cache.window(0, [said.shape[1]] * rows, device=network.device, dtype=network.dtype)
        network.forward(said.to(network.device), cache, window, watch=watch)
        cache.commit(window)
        assert watch.attention is not None, "every layer was watched"
        if place:
            hits += (watch.attention.argmax(-1) == place).float().mean(1).cpu()
    return (hits / (length - 1)).view(network.num_layers, network.num_heads)


def _noise(model: Model) -> Tensor:
    """Ordinary tokens, each once in a row; the same for the same vocabulary."""
    vocabulary = model.vocabulary
    ordinary = [
        token
        for token, text in enumerate(vocabulary.tokens)
        if text and token not in vocabulary.special_ids
    ]
    generator = torch.Generator().manual_seed(_SEED)
    length = min(_LENGTH, len(ordinary), model.network.max_positions // 2)
    picks = [torch.randperm(len(ordinary), generator=generator)[:length] for _ in range(_ROWS)]
    return torch.tensor(ordinary)[torch.stack(picks)]
