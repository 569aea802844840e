"""Prompts and their answers side by side in one forward, read at every token of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.knob.steer import turned
from tether.decoding.models.base import Edit, Network
from tether.decoding.window import Window


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward.

    Attributes:
        tokens: int64 [rows, q], padded on the right.
        lasts: int64 [rows], the place of each prompt's last token.
        owners: int64 [labels], the row of each answer token.
        labels: int64 [labels], the tokens of the answers.
        cache: Empty.
        window: Reads before each answer token.
    """

    tokens: Tensor
    lasts: Tensor
    owners: Tensor
    labels: Tensor
    cache: SlotCache
    window: Window

    @classmethod
    def of(
        cls,
        network: Network,
        prompts: Sequence[tuple[int, ...]],
        answers: Sequence[tuple[int, ...]],
    ) -> Batch:
        """The answers follow their prompts; an empty one is not read, its prompt is."""
        fed = [prompt + answer[:-1] for prompt, answer in zip(prompts, answers, strict=True)]
        counts, width = [len(row) for row in fed], max(map(len, fed))
        cache = SlotCache(network.num_layers, len(fed))
        window = cache.window(0, counts, device=network.device, dtype=network.dtype)
        owners = [row for row, answer in enumerate(answers) for _ in answer]
        asked = tuple(
            (row, len(prompt) - 1 + step)
            for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
            for step in range(len(answer))
        )

        def ids(numbers: list[int]) -> Tensor:
            return torch.tensor(numbers, dtype=torch.int64, device=network.device)

        padded = [row + (0,) * (width - len(row)) for row in fed]
        return cls(
            torch.tensor(padded, device=network.device),
            ids([len(prompt) - 1 for prompt in prompts]),
            ids(owners),
            ids([token for answer in answers for token in answer]),
            cache,
            replace(window, asked=asked),
        )

    def loss(self, network: Network, edit: Edit) -> Tensor:
        """Mean cross-entropy of the answers, with gradients."""
        hidden = network.traced(self.tokens, self.cache, self.window, edit)
        logits = network.head(hidden).float()
        return torch.nn.functional.cross_entropy(logits, self.labels)

    def right(self, network: Network, edit: Edit | None = None) -> Tensor:
        """Boolean [rows]: the whole answer is what the network says greedily; true without one."""
        hidden = network.forward(self.tokens, self.cache, self.window, edit=edit)
        wrong = network.head(hidden).argmax(1) != self.labels
        missed = torch.zeros(len(self.tokens), device=wrong.device)
        return missed.index_add_(0, self.owners, wrong.float()) == 0


def token_at(rows: Tensor, columns: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Where the tokens of (row, column) stand among all, which are sorted by both; int64 [n]."""
    span = int(columns.max()) + 1
    return torch.searchsorted(rows * span + columns, row * span + column)


class Peek:
    """Keeps what a layer hands on at the last token of each prompt; changes nothing."""

    def __init__(self, layers: Sequence[int], lasts: Tensor) -> None:
        self.states: dict[int, Tensor] = {}
        self._layers, self._lasts = frozenset(layers), lasts

    def __call__(self, layer: int, hidden: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """See Edit."""
        if layer in self._layers:
            each = torch.arange(len(self._lasts), device=rows.device)
            self.states[layer] = hidden[token_at(rows, columns, each, self._lasts)]
        return hidden


@dataclass(frozen=True, slots=True)
class Interchange:
    """The first rows of a batch take over the coordinate of the others, one each; see `Edit`.

    Attributes:
        layer: After so many layers.
        direction: [width], of length 1.
        lasts: int64 [2 n], the last token of each prompt.
    """

    layer: int
    direction: Tensor
    lasts: Tensor

    def __call__(self, layer: int, hidden: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """See Edit; all positions from a prompt's last one on are turned."""
        if layer != self.layer:
            return hidden
        half = len(self.lasts) // 2
        sources = torch.arange(half, 2 * half, device=rows.device)
        values = hidden[token_at(rows, columns, sources, self.lasts[half:])] @ self.direction
        at = ((rows < half) & (columns >= self.lasts[rows])).nonzero()[:, 0]
        return turned(hidden, at, self.direction, values[rows[at]])
