"""`knob`: a coordinate inside the model is set so that it answers from the evidence, or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.grounds.ground import Given, Ground
from tether.decoding.grounds.stretches import stretches
from tether.decoding.knob.steer import Turning
from tether.decoding.options import option
from tether.errors import EvidenceError, UsageError
from tether.grounding.evidence import Source

if TYPE_CHECKING:
    from tether.decoding.knob.file import Knob

_TRAIN = "Learn one for this model with `tether index train-knob`."


@dataclass(frozen=True, slots=True)
class Turn(Ground):
    """See `tether.decoding.knob`; the weight scales how far the knob goes from its middle."""

    name: ClassVar[str] = "knob"

    weight: float = option(1.0, "how far from the middle, 1 as learnt; 0 changes nothing", low=0)
    file: str = option("", "the knob that was learnt", form=(".+", "the path of a file"))
    to: str = option(
        "context",
        "`context`, `prior`, or the coordinate itself",
        form=(r"context|prior|[-+]?[0-9]+(\.[0-9]+)?", "context, prior or a number"),
    )

    def bind(self, given: Given) -> Source | None:
        """See Ground.bind; without a sentence about what is asked, nothing is to be believed more.

        A prompt without passages is turned: what it rests on cannot be told apart from it.
        """
        if not self.file:
            raise UsageError("knob turns nothing without a file.", hint=f"Add file=PATH. {_TRAIN}")
        path = Path(self.file).expanduser()
        knob = _loaded(path, path.stat().st_mtime_ns if path.is_file() else 0)
        if knob.facts.model != given.model.fingerprint:
            raise EvidenceError(
                f"{self.file} was learnt on another model than {given.model.name}.", hint=_TRAIN
            )
        if self.to == "context" and given.passages and not stretches(given):
            return None
        return Turning(knob.at(self._value(knob)))

    def _value(self, knob: Knob) -> float:
        """The coordinate; a number is taken as it is."""
        context, prior = knob.facts.context, knob.facts.prior
        if self.to not in ("context", "prior"):
            return float(self.to)
        middle = (context + prior) / 2
        return middle + self.weight * ((context if self.to == "context" else prior) - middle)


@lru_cache(maxsize=4)
def _loaded(path: Path, _changed: int) -> Knob:
    from tether.decoding.knob.file import load  # imports torch

    return load(path)
