"""A small recurrent head on a model's last state: from what was said since, what comes next.

s' = s + down silu(up [s / |s|, e(token)]), and the model's own LM head reads s'. One step a token,
so the same weights serve every depth. In the family of Medusa (Cai et al. 2024, arXiv 2401.10774)
and Hydra (Ankner et al. 2024, 2402.05109), with one head unrolled in place of several.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tether.decoding.models.base import Model
from tether.errors import ModelError

PLACE = Path("drafter") / "head.safetensors"
"""Where a checkpoint keeps its head, below its own folder."""
_FACTS = "tether_draft_head"


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a head comes from.

    Attributes:
        model: The fingerprint of the model whose states it reads.
        tokens: Tokens that it was trained on.
        seed: Of its first weights and of the order of its texts.
    """

    model: str
    tokens: int
    seed: int


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
        path.parent.mkdir(parents=True, exist_ok=True)
        halves = {name: weight.detach().half() for name, weight in self.weights().items()}
        save_file(halves, path, {_FACTS: json.dumps(asdict(facts))})


def load(model: Model) -> HeadNet:
    """The head beside a checkpoint.

    Raises:
        ModelError: There is none, it is damaged, or it belongs to other weights.
    """
    path = model.directory / PLACE
    if not path.is_file():
        raise ModelError(
            f"{model.name} has no head to draft with.",
            hint=f"Train one (docs/explanation/drafts.md) and keep it as {PLACE} beside the "
            "weights, or use --draft auto.",
        )
    try:
        with safe_open(path, "pt") as file:
            facts = Facts(**json.loads((file.metadata() or {})[_FACTS]))
            net = HeadNet(**{name: file.get_tensor(name) for name in ("embedding", "up", "down")})
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} is no draft head: {error}", hint="Train it again, or remove it."
        ) from error
    if facts.model != model.fingerprint:
        raise ModelError(
            f"{path} was trained on other weights than those of {model.name}.",
            hint="Train it again, or use --draft auto.",
        )
    return net
