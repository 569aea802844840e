"""A trained head on the row's model drafts; see `head_net.py`, and `head_train.py` for how to.

A host of this kind for others too: a drafter with `needs` of hidden states, named by an entry point
of the group `tether.drafters`, gets them with every verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tether.decoding.drafts.draft import NOTHING, Draft, Need, Spot, Verdict
from tether.decoding.drafts.head_net import load
from tether.decoding.drafts.model import DraftModel
from tether.decoding.drafts.model_reader import allowed
from tether.decoding.models.base import Model
from tether.grammars.constraint import Mask

_FURTHEST = 12  # tokens since the model's last state up to which the head follows


@dataclass(slots=True)
class _Trail:
    """States of a row: the model's own before the token at `begin`, then those of the head."""

    begin: int
    states: list[Tensor]
    tokens: list[int]


class Head(DraftModel):
    """See `DraftModel`.

    Raises:
        ModelError: The checkpoint has no head, or that of another one.
    """

    name: ClassVar[str] = "head"
    needs: ClassVar[frozenset[Need]] = frozenset({"hidden"})

    def __init__(self, model: Model, *, floor: float | None = None) -> None:
        super().__init__(model, floor=floor)
        self._network = model.network
        like = torch.empty(0, dtype=model.network.dtype, device=model.network.device)
        self._net = load(model).to(like)
        self._trails: dict[object, _Trail] = {}

    def propose(self, spot: Spot, budget: int) -> Draft:
        """See `Drafter.propose`: from the model's last state of the row, where it is near."""
        trail = self._trails.get(spot.row)
        if trail is None or not 0 < len(spot.context) - trail.begin <= _FURTHEST:
            return NOTHING
        return super().propose(spot, budget)

    def observe(self, verdict: Verdict) -> None:
        """See `Drafter.observe`; keeps the state after the last token that the model has read."""
        super().observe(verdict)
        if verdict.hidden is None:
            return
        node = verdict.accepted[-1] if verdict.accepted else -1
        begin = len(verdict.context) + len(verdict.accepted)
        self._trails[verdict.row] = _Trail(begin, [verdict.hidden[1 + node][None]], [])

    def forget(self, row: object) -> None:
        """See `Drafter.forget`."""
        super().forget(row)
        self._trails.pop(row, None)

    @torch.inference_mode()
    def scores(self, row: object, tokens: Sequence[int], mask: Mask | None) -> Tensor:
        """See `DraftModel.scores`."""
        trail = self._trails[row]
        since = list(tokens[trail.begin :])
        same = next(
            (n for n, (a, b) in enumerate(zip(since, trail.tokens, strict=False)) if a != b),
            min(len(since), len(trail.tokens)),
        )
        del trail.tokens[same:], trail.states[same + 1 :]
        for token in since[same:]:
            fed = torch.tensor([token], device=trail.states[0].device)
            trail.states.append(self._net.step(trail.states[-1], fed))
            trail.tokens.append(token)
        return allowed(self._network, trail.states[-1], mask)
