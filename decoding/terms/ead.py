"""Entropy-adaptive switching: the expert takes over while the text is uncertain.

Built from an abstract (entropy-adaptive decoding); the rule and its constants are ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.options import option
from tether.decoding.terms.term import OWN, Role, Term, View

if TYPE_CHECKING:
    from torch import Tensor

    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_EXPERT = View("expert")
_GRID = 0.01  # nats


@dataclass(frozen=True, slots=True)
class Ead(Term):
    """Switches on the mean entropy of the last tokens, of whoever decided them."""

    name: ClassVar[str] = "ead"
    drafts: ClassVar[bool] = True

    weight: float = option(1.0, "the expert's part where it leads", low=0)
    window: int = option(5, "tokens in the mean; forced ones do not count", low=1)
    up: float = option(1.0, "the expert takes over above this, in nats", low=0)
    down: float = option(0.5, "the model takes over again below this", low=0)
    stay: int = option(5, "tokens between two switches, at least", low=0)

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The expert."""
        return (_EXPERT,)

    def calls(self, seen: Seen) -> Tensor:
        """Where the expert leads, which the tokens before this one decide."""
        return seen.flags([self.leads(row.entropies.values()) for row in seen.rows])

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """Who leads decides; the entropy of who decides is kept for the tokens to come."""
        led = self.calls(seen)
        scales.decide(_EXPERT, led, self.weight)
        entropies = seen.entropy(_EXPERT).where(led, seen.entropy(OWN))
        # Kept on a coarse grid, and exactly where rounding might change the step of it: so the
        # same tokens are led in any company.
        scales.hesitate((entropies / _GRID).frac() * _GRID - _GRID / 2)
        for row, entropy in zip(seen.rows, entropies.tolist(), strict=True):
            row.entropies[row.num_output] = round(entropy / _GRID) * _GRID

    def leads(self, entropies: Iterable[float]) -> bool:
        """Whether the expert decides the token after these, given their entropies in order."""
        leads, since, recent = False, self.stay, deque[float](maxlen=self.window)
        for entropy in entropies:
            recent.append(entropy)
            mean = sum(recent) / len(recent)
            turns = mean < self.down if leads else mean > self.up
            if turns and since >= self.stay:
                leads, since = not leads, 0
            else:
                since += 1
        return leads
