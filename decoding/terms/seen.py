"""What gates may look at: the rows' own logits and their views, on the mask, at one step.

Entropies, gaps and divergences are of the distribution on the mask, renormalised: a step with one
allowed token is certain, however the model would have gone on without the mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tether.decoding.blend import FAR, sound
from tether.decoding.reference import entropy
from tether.decoding.row import Row
from tether.decoding.terms.term import OWN, Role, Variant, View


@dataclass(frozen=True, slots=True)
class Seen:
    """One step of some rows that have the same terms.

    Attributes:
        rows: The rows.
        said: Logits [rows, vocab] of each view, the rows' own under `OWN`; views that were not
            asked for say what the row itself says.
        allowed: Boolean [rows, vocab]; None allows all.
        same: For each variant of the prompt, boolean [rows]: it is the row's own prompt.
        depths: The number of layers of each network.
    """

    rows: Sequence[Row]
    said: Mapping[View, Tensor]
    allowed: Tensor | None
    same: Mapping[Variant, Tensor]
    depths: Mapping[Role, int]
    _kept: dict[View, Tensor] = field(default_factory=dict)

    def on_mask(self, view: View = OWN) -> Tensor:
        """Log-probabilities [rows, vocab] on the mask, renormalised; beside it, next to none."""
        if view not in self._kept:
            logits = sound(self.said[view])
            if self.allowed is not None:
                logits = logits.masked_fill(~self.allowed, -FAR)
            self._kept[view] = torch.log_softmax(logits, dim=1)
        return self._kept[view]

    def entropy(self, view: View = OWN) -> Tensor:
        """In nats, [rows]."""
        return entropy(self.on_mask(view))

    def best(self, count: int, view: View = OWN) -> Tensor:
        """The highest probabilities [rows, count], falling; 0 where there are fewer."""
        log_p = self.on_mask(view)
        best = log_p.topk(min(count, log_p.shape[1]), dim=1).values.exp()
        return torch.nn.functional.pad(best, (0, count - best.shape[1]))

    def flags(self, values: Sequence[bool]) -> Tensor:
        """One boolean for each row, as a tensor beside the logits."""
        return torch.tensor(values, device=self.said[OWN].device)

    def divergence(self, view: View, *, reverse: bool = False) -> Tensor:
        """Jensen-Shannon divergence between the row and a view in nats, [rows].

        Args:
            view: What is compared with the row itself.
            reverse: KL from the middle to both instead of from both to the middle, as in the
                published code of DoLa.
        """
        log_p, log_q = self.on_mask(), self.on_mask(view)
        middle = torch.logaddexp(log_p, log_q) - math.log(2)
        if reverse:
            return (_kl(middle, log_p) + _kl(middle, log_q)) / 2
        return (_kl(log_p, middle) + _kl(log_q, middle)) / 2


def _kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """KL(a || b) over the vocabulary, [rows]; 0 log 0 is 0."""
    a = log_a.exp()
    return torch.where(a > 0, a * (log_a - log_b), 0).sum(dim=1)
