"""Latent entropy-aware decoding: the expected embedding is fed while the model is unsure.

Read from a third party's continuation of the published code, whose constants these are. Two
details are ours: there is no entropy to compare with before the first switch, and `weight` leaves
the chosen token a part of what is fed. Left out: the anchor and the closing phrases, which are
special tokens of models trained to think, and the symbols of mathematics, which the code never
mixes but does not list.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tether.decoding.options import option
from tether.decoding.terms.term import Role, Term, View
from tether.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from tether.decoding.request import Request
    from tether.decoding.row import Row
    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

_NEWLINE_SHARE = 0.1  # of what is fed for the first token


@dataclass(frozen=True, slots=True)
class Lead(Term):
    """While the model is unsure, it is fed the mean of all tokens instead of the one it chose.

    For free text and for what is thought before an answer; the answer to a thought is decoded as
    ever. Stands alone. Its texts do not depend on the rows beside them, up to rounding.
    """

    name: ClassVar[str] = "lead"

    weight: float = option(1.0, "the mean's part of what is fed; 0 changes nothing", low=0, high=1)
    b1: float = option(1.0, "tokens are mixed again above this entropy, in nats", low=0)
    b2: float = option(0.2, "tokens are fed as they are below this", low=0)
    window: int = option(256, "tokens fed as they are before they are mixed again", low=0)

    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """None: the row itself is read, and fed."""
        return ()

    def weigh(self, seen: Seen, scales: Scales) -> None:
        """Nothing at this step: a mixture of tokens for the forward that comes after it."""
        if self.weight == 0 or not any(row.free for row in seen.rows):
            return
        entropies = seen.entropy().tolist()
        for place, row in enumerate(seen.rows):
            if row.free:
                row.entropies[row.num_output] = entropies[place]
                if self.mixes(row.entropies.values()):
                    scales.mixtures[place] = self._mixture(row, seen.on_mask()[place].exp())

    def mixes(self, entropies: Iterable[float]) -> bool:
        """Whether a mixture is fed for the last of the choices with these entropies."""
        mixing, since, at_switch = True, 0, math.inf
        for entropy in entropies:
            since += 1
            sure = entropy < min(at_switch, self.b2)
            unsure = entropy > max(at_switch, self.b1) and since >= self.window
            if sure if mixing else unsure:
                mixing, since, at_switch = not mixing, 0, entropy
        return mixing

    def _mixture(self, row: Row, odds: Tensor) -> Tensor:
        """The share [vocab] of each token; the rest to 1 is the chosen one's."""
        newline = row.token(b"\n") if row.num_output == 0 else None
        if newline is not None:
            odds = odds * (1 - _NEWLINE_SHARE)
            odds[newline] += _NEWLINE_SHARE
        return odds * self.weight


def check_free(request: Request) -> None:
    """Refuse `Lead` where no token is free.

    Raises:
        UsageError: The request is constrained from its first token on.
    """
    leads = any(isinstance(term, Lead) for term in request.terms)
    if leads and request.constraint is not None and request.think is None:
        raise UsageError(
            "lead works in free text, not under a constraint.",
            hint="Let the model think first with --think, or leave lead out.",
        )
