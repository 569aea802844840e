"""Uncertainty-aware dynamic fusion: a second opinion where the model is unsure (2402.05457)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen


@dataclass(frozen=True, slots=True)
class Uadf(Term):
    """Mixes another distribution in by sigmoid(entropy) - 1/2: not where the model is sure."""

    name: ClassVar[str] = "uadf"
    drafts: ClassVar[bool] = True

    weight: float = option(1.0, "factor on the share; 0 changes nothing", low=0, high=2)
    by: Literal["expert", "amateur", "bare"] = option(
        "expert", "who has the second opinion: another model, or the model without the evidence"
    )
    tau: float = option(1.0, "temperature of the second opinion", low=1e-3)

    @property
    def _view(self) -> View:
        if self.by == "bare":
            return View(prompt="bare", temperature=self.tau)
        return View(self.by, temperature=self.tau)

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The second opinion."""
        return (self._view,)

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """Share w / (1 + w), so that the fused scores are a distribution."""
        share = self.weight * (seen.entropy().sigmoid() - 0.5)
        scales.mix(self._view, share / (1 + share))
