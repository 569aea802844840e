"""Routed collaboration: the expert speaks where the model is unsure (FS-GEN, arXiv 2406.12295)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from torch import Tensor

    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_EXPERT = View("expert")


@dataclass(frozen=True, slots=True)
class Fsgen(Term):
    """The expert decides where the model's best token is too weak; elsewhere it is not run.

    Below weight 1 the two rows are summed on the expert's head: b l(expert) + (1 - b) l.
    """

    name: ClassVar[str] = "fsgen"
    drafts: ClassVar[bool] = True

    weight: float = option(1.0, "the expert's part b where it speaks", low=0)
    route: Literal["best", "margin", "entropy"] = option(
        "best", "what is measured: best probability, half the gap to the second, entropy"
    )
    at: float = option(0.5, "the expert speaks below this (`entropy`: above)", low=0)
    head: float = option(0.1, "keep tokens of this share of the expert's best", low=0, high=1)

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The expert."""
        return (_EXPERT,)

    def calls(self, seen: Seen) -> Tensor:
        """Where the expert speaks."""
        return self._unsure(seen) > 0

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """The expert alone, or the sum, where it speaks."""
        scales.hesitate(self._unsure(seen))
        mixed = self.weight != 1
        scales.decide(_EXPERT, self.calls(seen), self.weight, self.head if mixed else 0.0)

    def _unsure(self, seen: Seen) -> Tensor:
        """Above 0 where the expert speaks."""
        if self.route == "entropy":
            return seen.entropy() - self.at
        best = seen.best(2)
        measured = best[:, 0] if self.route == "best" else (best[:, 0] - best[:, 1]) / 2
        return self.at - measured
