"""A model of the same vocabulary drafts: a chain of its likeliest tokens, and runners-up.

It draws with the very noise by which the row will choose, so where both models agree on a token's
chances they draw the same one: with p = (.6, .3, .1) and q = (.5, .3, .2) the first candidate is
the row's own .873 of the time. The text is the row's own whatever is drafted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

import numpy as np
from torch import Tensor

from tether.decoding.drafts.chances import Chances
from tether.decoding.drafts.draft import NOTHING, Draft, Need, Spot, Verdict
from tether.decoding.drafts.model_chain import Chain
from tether.decoding.drafts.model_clock import Clock
from tether.decoding.drafts.model_reader import Reader, draw
from tether.decoding.drafts.model_sample import Sampler
from tether.decoding.drafts.rules_law import is_ruled
from tether.decoding.drafts.rules_walk import Drawn
from tether.decoding.models.base import Model, Network
from tether.decoding.request import Request
from tether.errors import DeadEnd
from tether.grammars.constraint import Mask, Matcher

_WIDTH = 3  # candidates of one place
_FEW = 64  # tokens in a mask up to which it is asked what is forced


class DraftModel:
    """See `Drafter`. Keeps a cache of its own, and learns how far its guesses can be trusted.

    Args:
        model: Has the token ids of the row's model.
        network: Reads in place of the model's own.
        floor: A chain ends where its chance to be accepted falls below this; None weighs its next
            token against a turn of the loop, both as timed.
    """

    name: ClassVar[str] = "model"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __init__(
        self, model: Model, network: Network | None = None, *, floor: float | None = None
    ) -> None:
        self._reader = Reader(network or model.network)
        self._ends, self._floor = model.end_ids, floor
        self._unsaid = model.refused_ids() | model.end_ids
        on_cpu = self._reader.network.device.type == "cpu"
        self._clock = Clock(time.thread_time if on_cpu else time.perf_counter)
        self._chances = Chances()
        self._chains: dict[object, Chain] = {}
        self._drawn: dict[object, Drawn] = {}

    def prompt(self, request: Request) -> Sequence[int] | None:
        """What it reads before a row's output; None where there is nothing to read."""
        return request.prompt

    def scores(self, row: object, tokens: Sequence[int], mask: Mask | None) -> Tensor:
        """Log-probabilities [vocab] after the tokens of a row, of what a mask allows."""
        return self._reader.scores(row, tokens, mask)

    def propose(self, spot: Spot, budget: int) -> Draft:
        """See `Drafter.propose`. One chain a turn, with what the grammar forces in it."""
        prompt = self.prompt(spot.request)
        if prompt is None or spot.num_drafted:
            return NOTHING
        tokens = [*prompt, *spot.context[len(spot.request.prompt) :]]
        if is_ruled(spot.request):
            return self._sample(spot, tokens, budget)
        chain = self._chains[spot.row] = Chain(self.name, self._chances)
        matcher = None if spot.matcher is None else spot.matcher.fork()
        with suppress(DeadEnd):
            while len(chain) < budget and self._pays(chain, len(tokens)):
                mask = matcher.mask() if matcher else None
                if chain.path and (forced := _forced(matcher, mask)):
                    step = forced[: budget - len(chain)]
                    chain.force(step)
                else:
                    state = spot.noise_state(len(chain.path))
                    count = min(_WIDTH, budget - len(chain))
                    chain.guess(self._guess(spot, tokens, mask, state, count))
                    step = chain.path[-1:]
                tokens += step
                if step[-1] in self._ends:
                    break
                if matcher is not None:
                    for token in step:
                        matcher.advance(token)
        self._clock.handed()
        return chain.draft()

    def observe(self, verdict: Verdict) -> None:
        """See `Drafter.observe`. Every guess on the way of what was said is an example."""
        self._clock.turned()
        chain = self._chains.pop(verdict.row, None)
        if chain is not None:
            for clue, is_right in chain.examples(verdict.said):
                self._chances.observe(clue, is_right)

    def drawn(self, row: object) -> Drawn | None:
        """See `Drawer`."""
        return self._drawn.get(row)

    def forget(self, row: object) -> None:
        """See `Drafter.forget`."""
        self._reader.forget(row)
        self._drawn.pop(row, None)
        self._chains.pop(row, None)

    def keep(self) -> None:
        """See `Drafter.keep`. Nothing outlives the run."""

    def _sample(self, spot: Spot, tokens: list[int], budget: int) -> Draft:
        """Draws for the row's rule; nothing about them may depend on time."""
        before = self._drawn.get(spot.row)
        turn = 0 if before is None else before.keys[2] + 1
        room = self._reader.network.max_positions - len(tokens)

        def scores(drafted: Sequence[int], mask: Mask | None) -> Tensor:
            return self.scores(spot.row, [*tokens, *drafted], mask)

        sampler = Sampler(spot, scores, self._unsaid, turn)
        self._drawn[spot.row] = sampler.sample(spot.request.draft_rule, min(budget, room))
        return sampler.draft()

    def _guess(
        self, spot: Spot, tokens: Sequence[int], mask: Mask | None, state: int, count: int
    ) -> list[tuple[int, float]]:
        with self._clock.own():
            scores = self.scores(spot.row, tokens, mask)
            return draw(scores, spot.request.sampling.temperature, state, count)

    def _pays(self, chain: Chain, num_tokens: int) -> bool:
        """Whether the chain should get another token."""
        if num_tokens > self._reader.network.max_positions:
            return False
        if self._floor is not None:
            return chain.value > self._floor
        rows = max(1, self._reader.num_rows)
        return self._clock.pays(chain.value, chain.said, chain.num_places, rows)


def _forced(matcher: Matcher | None, mask: Mask | None) -> list[int]:
    """What comes next, whatever is chosen."""
    if matcher is None or mask is None or int(np.bitwise_count(mask).sum()) > _FEW:
        return []
    return matcher.forced()
