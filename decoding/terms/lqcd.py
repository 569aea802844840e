"""Leading-query contrast: take out what only a leading question supports (arXiv 2408.11261).

Built from the abstracts, which are about images; the transfer to text is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View

if TYPE_CHECKING:
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_LEADING = View(prompt="given")


@dataclass(frozen=True, slots=True)
class Lqcd(Term):
    """The neutral wording answers, against the leading one; a neutral prompt has no contrast."""

    name: ClassVar[str] = "lqcd"
    drafts: ClassVar[bool] = True
    neutral: ClassVar[bool] = True

    weight: float = option(1.0, "strength; 0 only rewords the prompt", low=0)
    head: float = option(0.1, "keep tokens of this share of the best probability", low=0, high=1)

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The prompt as it was given."""
        return (_LEADING,)

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """A constant strength."""
        scales.contrast(self.weight, minus=_LEADING, head=self.head)
