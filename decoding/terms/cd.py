"""Contrastive decoding: the model against a weaker one (Li et al. 2022, arXiv 2210.15097)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen


@dataclass(frozen=True, slots=True)
class Cd(Term):
    """What the model likes more than the amateur does, among what it finds plausible.

    (1 + b) l - b l(amateur) as in O'Brien and Lewis 2023 (arXiv 2309.09117); `pure` is the first
    paper's difference alone.
    """

    name: ClassVar[str] = "cd"
    drafts: ClassVar[bool] = True

    weight: float = option(0.5, "strength b; 0 changes nothing", low=0)
    tau: float = option(1.0, "temperature of the amateur", low=1e-3)
    head: float = option(0.1, "keep tokens of this share of the best probability", low=0, high=1)
    pure: bool = option(False, "the difference alone decides")
    blind: bool = option(False, "the amateur sees the output alone, not the prompt")

    @property
    def _view(self) -> View:
        return View("amateur", "last" if self.blind else "main", temperature=self.tau)

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The amateur."""
        return (self._view,)

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """A constant strength."""
        scales.contrast(self.weight, minus=self._view, head=self.head, pure=self.pure)
