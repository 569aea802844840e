"""A small recurrent head on a model's last state: from what was said since, what comes next.

s' = s + down silu(up [s / |s|, e(token)]), and the model's own LM head reads s'. One step a token,
so the same weights serve every depth. In the family of Medusa (Cai et al. 2024, arXiv 2401.10774)
and Hydra (Ankner et al. 2024, 2402.05109), with one head unrolled in place of several.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tether.decoding.drafts.beside import Beside, Facts
from tether.decoding.models.base import Model

BESIDE = Beside(
    Path("drafter") / "head.safetensors", "tether_draft_head", "draft head", "--draft auto"
)


@dataclass(slots=True, eq=False)
class HeadNet:
    """Weights of a head.

    Attributes:
        embedding: float [vocab, small].
        up: float [middle, width + small].
        down: float [width, middle].
    """

    embedding: Tensor
    up: Tensor
    down: Tensor

    @classmethod
    def fresh(
        cls, vocab: int, width: int, seed: int, small: int = 48, middle: int = 320
    ) -> HeadNet:
        """Weights to be trained; `down` is zero, so that at first it guesses the last token's."""
        source = torch.Generator().manual_seed(seed)
        return cls(
            torch.randn(vocab, small, generator=source),
            torch.randn(middle, width + small, generator=source) * (width + small) ** -0.5,
            torch.zeros(width, middle),
        )

    def weights(self) -> dict[str, Tensor]:
        """All of them by name."""
        return {"embedding": self.embedding, "up": self.up, "down": self.down}

    def step(self, states: Tensor, tokens: Tensor) -> Tensor:
        """States [n, width] after one more token each, int64 [n]."""
        size = states.pow(2).mean(1, keepdim=True).add(1e-6).rsqrt()
        seen = torch.cat([states * size, self.embedding[tokens]], dim=1)
        return states + F.linear(F.silu(F.linear(seen, self.up)), self.down)

    def to(self, like: Tensor) -> HeadNet:
        """The same in the dtype and on the device of a tensor."""
        return HeadNet(self.embedding.to(like), self.up.to(like), self.down.to(like))

    def save(self, path: Path, facts: Facts) -> None:
        """Write float16 safetensors with the facts in the header."""
        halves = {name: weight.detach().half() for name, weight in self.weights().items()}
        BESIDE.save(path, halves, facts)


def load(model: Model) -> HeadNet:
    """The head beside a checkpoint.

    Raises:
        ModelError: See `Beside.load`.
    """
    return HeadNet(**BESIDE.load(model, ("embedding", "up", "down")))
