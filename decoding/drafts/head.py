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

from tether.decoding.drafts.draft import Need, Spot, Verdict
from tether.decoding.drafts.head_net import load
from tether.decoding.drafts.model import DraftModel
from tether.decoding.drafts.model_reader import Asked, allowed
from tether.decoding.models.base import Model

_FURTHEST = 12  # tokens since the model's last state up to which the head follows


@dataclass(slots=True)
class _Trail:
    """States of a row: the model's own before the token at `begin`, then those of the head."""

    begin: int
    states: list[Tensor]
    tokens: list[int]

    def cut(self, context: Sequence[int]) -> list[int]:
        """Forget what the context does not go on with; what it has beyond that."""
        since = list(context[self.begin :])
        same = next(
            (n for n, (a, b) in enumerate(zip(since, self.tokens, strict=False)) if a != b),
            min(len(since), len(self.tokens)),
        )
        del self.tokens[same:], self.states[same + 1 :]
        return since[same:]


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

    def reads(self, spot: Spot) -> list[int] | None:
        """See `DraftModel.reads`: there has to be a state of the model near."""
        trail = self._trails.get(spot.row)
        if trail is None or not 0 < len(spot.context) - trail.begin <= _FURTHEST:
            return None
        return super().reads(spot)

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
    def scores(self, asked: Sequence[Asked]) -> Tensor:
        """See `DraftModel.scores`."""
        trails = [self._trails[place.row] for place in asked]
        missing = [trail.cut(place.tokens) for trail, place in zip(trails, asked, strict=True)]
        for step in range(max(map(len, missing))):
            behind = [n for n, tokens in enumerate(missing) if step < len(tokens)]
            tokens = [missing[n][step] for n in behind]
            states = torch.cat([trails[n].states[-1] for n in behind])
            found = self._net.step(states, torch.tensor(tokens, device=states.device))
            for n, token, state in zip(behind, tokens, found, strict=True):
                trails[n].tokens.append(token)
                trails[n].states.append(state[None])
        last = torch.cat([trail.states[-1] for trail in trails])
        return allowed(self._network, last, [place.mask for place in asked])
