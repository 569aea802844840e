"""Multi-path certainty aggregation (MVP, arXiv 2408.17150): whole answers are voted on."""

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
class Mvp(Term):
    """Paths from the best first tokens, with the evidence in both orders, elect a closed answer.

    For choices and enums; needs a constraint. `tether.decoding.search.vote` runs it.
    """

    name: ClassVar[str] = "mvp"

    weight: float = option(1.0, "the say of the turned evidence; 0 hears one order", low=0)
    paths: int = option(5, "paths of each order; 1 with weight 0 is greedy", low=1)

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The evidence in turned order."""
        return (View(prompt="turned"),)

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """Nothing at a single step: whole answers vote."""
