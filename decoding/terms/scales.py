"""The weights of one step: every term of a row adds to them, the step sums the views by them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from tether.decoding.terms.seen import Seen
from tether.decoding.terms.term import OWN, View

Strength = float | Tensor


class Scales:
    """Weights of the views of some rows that have the same terms; tensors are [rows].

    Attributes:
        seen: The step.
        base: Weight of the row's log-probabilities after evidence.
        views: Weight of each view's log-probabilities; `OWN` before evidence.
        shares: The part of the probability that is a view's own.
        head: Alpha of the plausibility head; the strictest term's.
        doubt: How far the nearest decision of a gate is from turning: under rounding, it might.
        decided: Boolean, the expert decides in the model's stead.
        mixtures: For rows (by place) that are fed a mixture for the token they choose now, the
            share [vocab] of each token; the rest to 1 is the chosen one's.
    """

    def __init__(self, seen: Seen) -> None:
        own = seen.said[OWN]
        dtype = own.dtype if own.dtype == torch.float64 else torch.float32
        self.seen = seen
        self._zero = torch.zeros(len(own), dtype=dtype, device=own.device)
        self.base = self._zero + 1
        self.views: dict[View, Tensor] = {}
        self.shares: dict[View, Tensor] = {}
        self.head = self._zero
        self.doubt = self._zero + torch.inf
        self.decided = self._zero.bool()
        self.mixtures: dict[int, Tensor] = {}

    def contrast(
        self,
        strength: Strength,
        *,
        plus: View = OWN,
        minus: View = OWN,
        head: float = 0.0,
        pure: bool = False,
    ) -> None:
        """Add strength * (plus - minus).

        Where both are the same row of logits by construction, nothing is added and no head is
        set, so that the row comes out bit for bit as if it had no contrast.

        Args:
            strength: A number or one for each row.
            plus: The view that is believed more.
            minus: The view that is believed less.
            head: Alpha of the plausibility head.
            pure: The difference alone decides, on the head: the model's own weight falls to 0.
        """
        live = torch.where(self._alike(plus, minus), 0.0, self._zero + strength)
        self._add(plus, live)
        self._add(minus, -live)
        self.head = torch.where(live != 0, self.head.clamp(min=head), self.head)
        if pure:
            self.base = torch.where(live != 0, 0.0, self.base)

    def mix(self, view: View, share: Tensor) -> None:
        """Give a view a share of the probability, after those that have one already."""
        left = 1 - sum(self.shares.values(), self._zero)
        self.shares[view] = self.shares.get(view, self._zero) + share * left

    def decide(self, view: View, where: Tensor, strength: float = 1.0, head: float = 0.0) -> None:
        """Let a view decide in the model's stead; below strength 1 the model has the rest."""
        where = where & (strength > 0)
        for other in self.shares:
            self.shares[other] = torch.where(where, 0.0, self.shares[other])
        self.shares[view] = torch.where(where, 1.0, self.shares.get(view, self._zero))
        self.base = torch.where(where, self.base * strength, self.base)
        self._add(OWN, torch.where(where, self._zero + 1 - strength, self._zero))
        self.head = torch.where(where, self.head.clamp(min=head), self.head)
        self.decided = self.decided | where

    def hesitate(self, distance: Tensor) -> None:
        """A gate's decision stands this far from the other one."""
        self.doubt = torch.minimum(self.doubt, distance.abs().to(self.doubt.dtype))

    def _add(self, view: View, weight: Tensor) -> None:
        self.views[view] = self.views.get(view, self._zero) + weight

    def _alike(self, plus: View, minus: View) -> Tensor:
        """Boolean [rows]: the two views are one, since their prompts are."""
        if plus == minus:
            return torch.ones_like(self.decided)
        if replace(plus, prompt=minus.prompt) != minus:
            return torch.zeros_like(self.decided)
        return self.seen.same[plus.prompt] & self.seen.same[minus.prompt]
