"""Small trained weights that lie beside a checkpoint's own and belong to these alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tether.decoding.models.base import Model
from tether.errors import ModelError


@dataclass(frozen=True, slots=True)
class Facts:
    """Where trained weights come from.

    Attributes:
        model: The fingerprint of the model whose states they read.
        tokens: Tokens that they were trained on.
        seed: Of the first weights and of the order of the texts.
    """

    model: str
    tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Beside:
    """A kind of such weights.

    Attributes:
        place: Where a checkpoint keeps them, below its own folder.
        header: Under which name the file's header holds the facts.
        what: What errors call them.
        instead: The option that does without them.
    """

    place: Path
    header: str
    what: str
    instead: str

    def save(self, path: Path, weights: Mapping[str, Tensor], facts: Facts) -> None:
        """Write safetensors with the facts in the header."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(weights), path, {self.header: json.dumps(asdict(facts))})

    def load(self, model: Model, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Those beside a checkpoint, by name.

        Raises:
            ModelError: There are none, they are damaged, or they belong to other weights.
        """
        path = model.directory / self.place
        if not path.is_file():
            raise ModelError(
                f"{model.name} has no {self.what}.",
                hint=f"Train one (docs/explanation/drafts.md) and keep it as {self.place} beside "
                f"the weights, or use {self.instead}.",
            )
        try:
            with safe_open(path, "pt") as file:
                facts = Facts(**json.loads((file.metadata() or {})[self.header]))
                weights = {name: file.get_tensor(name) for name in names}
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path} is no {self.what}: {error}", hint="Train it again, or remove it."
            ) from error
        if facts.model != model.fingerprint:
            raise ModelError(
                f"{path} was trained on other weights than those of {model.name}.",
                hint=f"Train it again, or use {self.instead}.",
            )
        return weights
