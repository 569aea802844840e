"""A knob on disk: one safetensors file with the direction, and its facts as JSON in the header."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tether.decoding.knob.steer import Steer
from tether.errors import EvidenceError

Intent = Literal["context", "prior"]
_FACTS, _DIRECTION = "tether_knob", "direction"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a direction belongs to.

    Attributes:
        model: The fingerprint of the model whose states it was learnt on.
        layer: After so many layers.
        context: The coordinate at which the model answers from the evidence.
        prior: The coordinate at which it answers from memory.
        accuracy: For each intent, the share of held-out prompts that were answered under it.
    """

    model: str
    layer: int
    context: float
    prior: float
    accuracy: Mapping[Intent, float]


@dataclass(frozen=True, slots=True, eq=False)
class Knob:
    """A learnt knob.

    Attributes:
        facts: What the direction belongs to.
        direction: float32 [width], of length 1.
    """

    facts: Facts
    direction: Tensor

    def at(self, value: float) -> Steer:
        """The knob turned to a coordinate."""
        return Steer(self.facts.layer, self.direction, value)

    def save(self, path: Path) -> Facts:
        """Write the file beside its place, then put it there; return its facts."""
        aside = path.with_name(f"{path.name}.part")
        metadata = {_FACTS: json.dumps(asdict(self.facts))}
        save_file({_DIRECTION: self.direction.float().cpu().contiguous()}, aside, metadata)
        os.replace(aside, path)
        return self.facts


def load(path: Path) -> Knob:
    """Read a knob.

    Raises:
        EvidenceError: There is no such file, or it is no knob.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[_FACTS])
            knob = Knob(Facts(**facts), file.get_tensor(_DIRECTION).float())
        whole = set(facts) == {field.name for field in fields(Facts)}
        sound = whole and bool(torch.isclose(knob.direction.norm(), torch.tensor(1.0), atol=1e-3))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise EvidenceError(f"{path} is no knob: {error}.", hint=_CURE) from error
    if not sound:
        raise EvidenceError(f"{path} is no knob: its direction is not of length 1.", hint=_CURE)
    return knob


_CURE = "Learn one with `tether index train-knob`."
