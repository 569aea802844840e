"""Decoding by contrasting layers: the amateur is a layer below (Chuang et al. 2023, 2309.03883)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_SHALLOW = 12  # networks of up to so many layers offer all of their even ones


@dataclass(frozen=True, slots=True)
class Dola(Term):
    """The last layer against the one below that differs most from it at this token.

    The Jensen-Shannon divergence is the true one; the published code computes the reverse, which
    names another layer in about one step of ten.
    """

    name: ClassVar[str] = "dola"
    drafts: ClassVar[bool] = True

    weight: float = option(1.0, "strength; 0 changes nothing", low=0)
    layers: str = option(
        "auto",
        "`low` or `high` half, or numbers: `2/4`",
        form=(r"auto|low|high|[0-9]+(/[0-9]+)*", "auto, low, high or numbers: 2/4"),
    )
    divergence: Literal["true", "reverse"] = option("true", "how layers are compared")
    head: float = option(0.1, "keep tokens of this share of the best probability", low=0, high=1)
    pure: bool = option(False, "the difference alone decides")

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The candidate layers."""
        return tuple(View(layer=layer) for layer in self._candidates(depths["model"]))

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """All of the strength on one layer of each row."""
        views = self.views(seen.depths)
        reverse = self.divergence == "reverse"
        gaps = [seen.divergence(view, reverse=reverse) for view in views]
        farthest = gaps[0]
        for gap in gaps[1:]:
            scales.hesitate(gap - farthest)
            farthest = farthest.maximum(gap)
        chosen = farthest < 0  # of equally far layers, the lowest
        for view, gap in zip(views, gaps, strict=True):
            here = (gap == farthest) & ~chosen
            chosen = chosen | here
            scales.contrast(self.weight * here, minus=view, head=self.head, pure=self.pure)

    def _candidates(self, depth: int) -> list[int]:
        """Even layers; not 0, where a tied head only says the last token again, nor the last."""
        if self.layers not in ("auto", "low", "high"):
            return [int(number) for number in self.layers.split("/")]
        low = self.layers == "low" or (self.layers == "auto" and depth > _SHALLOW)
        first = depth // 2 if self.layers == "high" else 2
        last = depth // 2 if low else depth - 1
        return [n for n in range(first, last) if n % 2 == 0] or [depth // 2]
