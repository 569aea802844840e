"""Context-aware decoding: amplify what the evidence adds (Shi et al. 2023, arXiv 2305.14739)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_BARE = View(prompt="bare")


@dataclass(frozen=True, slots=True)
class Cad(Term):
    """With the evidence against without it: (1 + a) l(with) - a l(without)."""

    name: ClassVar[str] = "cad"
    drafts: ClassVar[bool] = True

    weight: float = option(0.5, "strength a; 0 changes nothing", low=0)
    adaptive: bool = option(False, "a grows with what the evidence changes at this token")

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The prompt without its evidence."""
        return (_BARE,)

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """Adaptive (ours): times the divergence of the two, so that punctuation stays as it is."""
        scale = seen.divergence(_BARE) if self.adaptive else 1.0
        scales.contrast(self.weight * scale, minus=_BARE)
