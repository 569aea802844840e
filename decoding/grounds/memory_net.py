"""The network of an MLP memory: from what the head reads to logits, and how it learns them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

from tether.decoding.models.base import Network
from tether.grounding.index.maker import Progress
from tether.grounding.index.strings import damaged

_INNER = 4  # widths of the model in a layer
_RATE, _BATCH = 1e-3, 256


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is to be learnt.

    Attributes:
        states: float32 [n, width], what the head reads.
        tokens: int64 [n, kept], what the neighbours say.
        said: float32 [n, kept], how likely they say it.
        next: int64 [n], what really followed.
    """

    states: Tensor
    tokens: Tensor
    said: Tensor
    next: Tensor


class MemoryNetwork:
    """Layers x + down(silu(up(x / |x|))) and a head of its own.

    It begins as the model itself: `down` is zero and the head is the model's.

    Args:
        weights: `up.N` [inner, width], `down.N` [width, inner], `head` [vocab, width], `bias`
            [vocab], all float32.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights
        self.num_layers = sum(name.startswith("up.") for name in weights)

    @classmethod
    def new(cls, network: Network, width: int, layers: int, seed: int) -> MemoryNetwork:
        """Untrained; the same for the same seed."""
        draw = torch.Generator().manual_seed(seed)
        ones = torch.eye(width, device=network.device, dtype=network.dtype)
        zero = network.head(torch.zeros_like(ones[:1]))
        head = network.head(ones) - zero
        weights = {"head": head.T.float().contiguous(), "bias": zero[0].float()}
        for n in range(layers):
            weights[f"up.{n}"] = torch.randn(_INNER * width, width, generator=draw)
            weights[f"down.{n}"] = torch.zeros(width, _INNER * width)
        # Cloned: what a network gives was made in inference mode and cannot be trained.
        return cls({name: held.to(network.device).clone() for name, held in weights.items()})

    @classmethod
    def load(cls, path: Path, device: torch.device) -> MemoryNetwork:
        """From a safetensors file.

        Raises:
            UnavailableError: The file is damaged.
        """
        try:
            return cls(load_file(path, device=str(device)))
        except (SafetensorError, OSError) as error:
            raise damaged(path, str(error)) from error

    def save(self, path: Path) -> None:
        """To a safetensors file.

        Raises:
            OSError: The disk is full, or the like.
        """
        data = save({name: held.detach().cpu() for name, held in self.weights.items()})
        path.write_bytes(data)  # the library's own writing says nothing of a full disk

    def __call__(self, states: Tensor) -> Tensor:
        """Logits [n, vocab] of states [n, width]."""
        for n in range(self.num_layers):
            lengths = torch.linalg.vector_norm(states, dim=1, keepdim=True).clamp(min=1e-6)
            inner = functional.silu(functional.linear(states / lengths, self.weights[f"up.{n}"]))
            states = states + functional.linear(inner, self.weights[f"down.{n}"])
        return functional.linear(states, self.weights["head"], self.weights["bias"])


def loss(logits: Tensor, lesson: Lesson, trust: float) -> Tensor:
    """The mean of trust KL(neighbours || memory) + (1 - trust) surprise at what followed."""
    log_q = functional.log_softmax(logits, dim=1)
    log_said = lesson.said.clamp(min=1e-30).log()
    divergence = (lesson.said * (log_said - log_q.gather(1, lesson.tokens))).sum(1)
    surprise = functional.nll_loss(log_q, lesson.next)
    return trust * divergence.mean() + (1 - trust) * surprise


def learn(
    memory: MemoryNetwork,
    lessons: Callable[[Tensor], Lesson],
    count: int,
    *,
    epochs: int,
    trust: float,
    seed: int,
    progress: Progress,
) -> list[float]:
    """Train a memory in place.

    Args:
        memory: What learns.
        lessons: The lesson of some entries, int64 [n].
        count: Entries there are.
        epochs: Times that every entry is seen.
        trust: The weight of the neighbours against what really followed, in [0, 1].
        seed: Of the order of the entries.
        progress: Where to say how far it is.

    Returns:
        The mean loss of each epoch.
    """
    weights = [held.requires_grad_() for held in memory.weights.values()]
    optimiser = torch.optim.Adam(weights, _RATE)
    draw, advance = torch.Generator().manual_seed(seed), progress.stage("memory", epochs * count)
    means = []
    for epoch in range(epochs):
        total = 0.0
        for entries in torch.split(torch.randperm(count, generator=draw), _BATCH):
            lesson = lessons(entries)
            found = loss(memory(lesson.states), lesson, trust)
            optimiser.zero_grad()
            torch.autograd.backward(found)
            optimiser.step()
            total += float(found.detach()) * len(entries)
        means.append(total / count)
        advance((epoch + 1) * count)
    for held in weights:
        held.requires_grad_(False)
    return means
