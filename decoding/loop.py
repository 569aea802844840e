"""The decode loop: rows come and go; each turn is one ragged forward and one step.

A turn: [sampled, forced...] of every row in one forward; masks meanwhile; one step; advance.
A finished row makes room for the next request, whose prompt is read between turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from tether.decoding.batch import Batch, OnDelta
from tether.decoding.drafts.drafting import Drafting
from tether.decoding.healing import healed
from tether.decoding.models.base import Model
from tether.decoding.request import Request, Result
from tether.decoding.search.vote import polls
from tether.decoding.terms.term import Role
from tether.decoding.views import Views
from tether.decoding.waiting import Waiting
from tether.errors import ModelError, UsageError


class Loop:
    """Decodes requests on one model, many at a time.

    Args:
        model: From `tether.decoding.models.load`.
        slots: Rows decoded at once.
        others: Models that terms of contrast listen to or that draft; they share the model's
            vocabulary.
        ahead: Requests that are pulled at a time, to be run in the order of their lengths.

    Raises:
        UsageError: There are no slots.
        ModelError: Another model has other tokens.
    """

    def __init__(
        self,
        model: Model,
        *,
        slots: int = 16,
        others: Mapping[Role, Model] | None = None,
        ahead: int = 1,
    ) -> None:
        if slots < 1:
            raise UsageError(f"{slots} slots cannot hold a row.", hint="Use 1 or more.")
        self.model = model
        self.slots, self.ahead = slots, ahead
        self._spare: list[Views] = []
        self._models: dict[Role, Model] = {"model": model, **(others or {})}
        for role, other in self._models.items():
            _check_vocabulary(model, other, role)
        self._refused = torch.tensor(
            sorted(model.refused_ids()), dtype=torch.int64, device=model.network.device
        )
        self._drafting = Drafting(model, self._models.pop("drafter", None))

    def run(self, requests: Iterable[Request], on_delta: OnDelta | None = None) -> Iterator[Result]:
        """Decode requests, pulled only as slots come free; yield results as rows end.

        A row's text depends on its request alone, not on the rows beside it. `requests` is asked
        again after every turn that leaves room: where requests come in at any time, it ends while
        there are none and goes on when there are.
        """
        with ThreadPoolExecutor(1, "masks") as threads, self._lent_views() as views:
            batch = Batch(
                self._models, views, self.slots, self._refused, threads, on_delta, self._drafting
            )
            waiting = Waiting(map(self._ready, requests), self.ahead)
            admission = batch.admission(waiting)
            yield from batch.admit(admission)
            while batch.rows:
                batch.turn()
                yield from batch.retire()
                yield from batch.admit(admission)
        self._drafting.keep()

    @contextmanager
    def _lent_views(self) -> Iterator[Views]:
        """Views without rows; those of an earlier run, whose beginnings are still held, if any."""
        networks = {role: model.network for role, model in self._models.items()}
        views = self._spare.pop() if self._spare else Views(networks, self.slots)
        try:
            yield views
        finally:
            views.close_all()
            self._spare.append(views)

    def _ready(self, request: Request) -> Request:
        """The request, healed; what stands on the places or first choices of a row is left."""
        if polls(request) or request.sources or request.extract:
            return request
        return healed(request, self.model.vocabulary)


def _check_vocabulary(model: Model, other: Model, role: Role) -> None:
    ours, theirs = model.vocabulary.tokens, other.vocabulary.tokens
    shared = min(len(ours), len(theirs))
    if list(ours[:shared]) != list(theirs[:shared]):
        raise ModelError(
            f"The {role} {other.name} has other tokens than the model {model.name}.",
            hint="They are compared token by token: take a model with the same tokenizer.",
        )
