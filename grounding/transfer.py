"""What the model says after a short retrieved context, carried over to the full prompt.

RAPID (Chen et al. 2025, arXiv 2502.20330) pulls the logits of a target that reads everything
towards a drafter that reads what was retrieved, by the gradient of a distillation loss:
z + eta (q - p) on the tokens that the drafter finds plausible. Here without speculation (ours): the
drafter is the model itself over the sentences that speak of what is asked, at every token; p and q
are taken on the mask, since probabilities, not their logarithms, enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tether.grounding.evidence import Clues, Floats, Moment, Need


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """The pull of one row's short context.

    Attributes:
        rate: Strength (eta).
        head: A token is plausible with at least this share of the drafter's best probability.
    """

    rate: float
    head: float = 0.1
    needs: frozenset[Need] = frozenset({"log_p", "allowed", "short"})
    heads: tuple[tuple[int, int], ...] = ()

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        return [self._look(moment) for moment in moments]

    def _look(self, moment: Moment) -> Clues | None:
        if moment.short is None:  # the short context is all there is
            return None
        assert moment.log_p is not None, "it was asked for"
        assert moment.allowed is not None, "it was asked for"
        allowed = np.flatnonzero(moment.allowed)
        p, q = _softmax(moment.log_p[allowed]), _softmax(moment.short[allowed])
        edge = self.head * q.max()
        plausible = q >= edge
        # A token at the edge jumps by as much as it is pulled, however near to it the edge stands.
        doubt = float((np.abs(q - edge) / edge).min()) if edge else np.inf
        values = self.rate * (q - p)[plausible]
        return Clues(allowed[plausible], values, doubt=doubt)


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max())
    shares: Floats = powers / powers.sum()
    return shares
