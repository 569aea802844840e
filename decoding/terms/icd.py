"""Induce, then contrast: against a view that hallucinates (Zhang et al. 2023, arXiv 2312.15710)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen


def induced(by: Literal["prompt", "weights"], layer: int | None = None) -> View:
    """The view that hallucinates: told to, or trained to (the amateur)."""
    if by == "weights":
        return View("amateur", layer=layer)
    return View(prompt="wrong", layer=layer)


@dataclass(frozen=True, slots=True)
class Icd(Term):
    """The model against itself under an instruction to answer wrongly, or against an amateur."""

    name: ClassVar[str] = "icd"
    drafts: ClassVar[bool] = True

    weight: float = option(1.0, "strength; 0 changes nothing", low=0)
    by: Literal["prompt", "weights"] = option(
        "prompt", "what hallucinates: the model, told to, or the amateur"
    )
    head: float = option(0.1, "keep tokens of this share of the best probability", low=0, high=1)
    pure: bool = option(False, "the difference alone decides")

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The induced view."""
        return (induced(self.by),)

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """A constant strength."""
        scales.contrast(self.weight, minus=induced(self.by), head=self.head, pure=self.pure)
