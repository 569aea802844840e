"""Proxy tuning: add what tuning changed in a small model (Liu et al. 2024, arXiv 2401.08565)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_EXPERT, _ANTI_EXPERT = View("expert"), View("amateur")


@dataclass(frozen=True, slots=True)
class Proxy(Term):
    """The expert (small, tuned) against the amateur (it before tuning), on top of the model."""

    name: ClassVar[str] = "proxy"
    drafts: ClassVar[bool] = True

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """Expert and anti-expert."""
        return (_EXPERT, _ANTI_EXPERT)

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """A constant strength."""
        scales.contrast(self.weight, plus=_EXPERT, minus=_ANTI_EXPERT)
