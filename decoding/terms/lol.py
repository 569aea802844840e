"""Lower layers matter: ICD at two depths, and a pull towards the truth (arXiv 2408.08769).

Built from the abstract; the formula is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tether.decoding.options import option
from tether.decoding.terms.icd import induced
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_DEPTH = 0.75


@dataclass(frozen=True, slots=True)
class Lol(Term):
    """ICD, `omega` times ICD at three quarters of the depth, `gamma` times a true prompt's pull."""

    name: ClassVar[str] = "lol"
    drafts: ClassVar[bool] = True

    weight: float = option(1.0, "strength of the contrast; 0 changes nothing", low=0)
    omega: float = option(0.3, "strength at the lower layer, a factor", low=0)
    gamma: float = option(0.5, "pull of the truthful prompt, a factor", low=0)
    by: Literal["prompt", "weights"] = option(
        "prompt", "what hallucinates: the model, told to, or the amateur"
    )
    head: float = option(0.1, "keep tokens of this share of the best probability", low=0, high=1)
    pure: bool = option(False, "the differences alone decide")

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The induced view, both at the lower layer, the truthful prompt."""
        evil = induced(self.by)
        own = View(layer=_lower(depths["model"]))
        other = induced(self.by, _lower(depths[evil.role]))
        return (evil, own, other, View(prompt="true"))

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """Constant strengths."""
        evil, own, other, true = self.views(seen.depths)
        scales.contrast(self.weight, minus=evil, head=self.head, pure=self.pure)
        scales.contrast(self.weight * self.omega, plus=own, minus=other)
        scales.contrast(self.weight * self.gamma, plus=true)


def _lower(depth: int) -> int:
    return min(depth - 1, round(_DEPTH * depth))
