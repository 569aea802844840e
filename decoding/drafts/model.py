"""A model of the same vocabulary drafts: a chain of its likeliest tokens, and runners-up.

It draws with the very noise by which the row will choose, so where both models agree on a token's
chances they draw the same one: with p = (.6, .3, .1) and q = (.5, .3, .2) the first candidate is
the row's own .873 of the time. The text is the row's own whatever is drafted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from tether.decoding.drafts.chances import Chances
from tether.decoding.drafts.draft import NOTHING, Draft, Need, Spot, Verdict
from tether.decoding.drafts.model_chain import Chain, Growing
from tether.decoding.drafts.model_clock import Clock
from tether.decoding.drafts.model_reader import Asked, Reader, draw
from tether.decoding.drafts.model_sample import Sampler
from tether.decoding.drafts.rules_law import is_ruled
from tether.decoding.drafts.rules_walk import Drawn
from tether.decoding.models.base import Model, Network
from tether.decoding.request import Request
from tether.grammars.constraint import Mask

_WIDTH = 3  # candidates of one place


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
        self._ready: dict[object, int] = {}  # where a row's chain begins, until it is asked for
        self._drawn: dict[object, Drawn] = {}

    def prompt(self, request: Request) -> Sequence[int] | None:
        """What it reads before a row's output; None where there is nothing to read."""
        return request.prompt

    def scores(self, asked: Sequence[Asked]) -> Tensor:
        """Log-probabilities [asked, vocab] after the tokens of rows, of what masks allow."""
        return self._reader.scores(asked)

    def reads(self, spot: Spot) -> list[int] | None:
        """The tokens that it reads of a row; None where there is nothing to read."""
        prompt = self.prompt(spot.request)
        return None if prompt is None else [*prompt, *spot.context[len(spot.request.prompt) :]]

    def foresee(self, asked: Sequence[tuple[Spot, int]]) -> None:
        """See `Together`: one chain a row and turn, all by the same forwards."""
        growing = [found for spot, budget in asked if (found := self._begun(spot, budget))]
        live = growing
        while live:
            share = len(live) / len(growing)
            places = {
                each: place
                for each in live
                if self._goes_on(each, share) and (place := each.asks()) is not None
            }
            live = [*places]
            if live:
                with self._clock.own():
                    guesses = self._guesses(live, self.scores([*places.values()]))
                for each, best in zip(live, guesses, strict=True):
                    each.guess(best[: each.room])
        self._clock.handed()

    def propose(self, spot: Spot, budget: int) -> Draft:
        """See `Drafter.propose`. One chain a turn, with what the grammar forces in it."""
        if spot.num_drafted:
            return NOTHING
        if is_ruled(spot.request):
            tokens = self.reads(spot)
            return NOTHING if tokens is None else self._sample(spot, tokens, budget)
        if self._ready.pop(spot.row, None) != len(spot.context):
            self.foresee([(spot, budget)])
            self._ready.pop(spot.row, None)
        chain = self._chains.get(spot.row)
        return NOTHING if chain is None else chain.draft()

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
        self._ready.pop(row, None)

    def keep(self) -> None:
        """See `Drafter.keep`. Nothing outlives the run."""

    def _begun(self, spot: Spot, budget: int) -> Growing | None:
        """An empty chain; None where there is none to be."""
        self._chains.pop(spot.row, None)
        self._ready[spot.row] = len(spot.context)
        tokens = None if is_ruled(spot.request) else self.reads(spot)
        if tokens is None:
            return None
        chain = self._chains[spot.row] = Chain(self.name, self._chances)
        return Growing(spot, tokens, chain, budget, self._ends)

    def _goes_on(self, growing: Growing, share: float) -> bool:
        """Whether a chain should get another token, where this share of the rows asks."""
        chain = growing.chain
        if growing.is_over or growing.length > self._reader.network.max_positions:
            return False
        if self._floor is not None:
            return chain.value > self._floor
        return self._clock.pays(chain.value, chain.said, chain.num_places, share)

    def _guesses(self, live: Sequence[Growing], scores: Tensor) -> list[list[tuple[int, float]]]:
        heats = [each.spot.request.sampling.temperature for each in live]
        states = [each.spot.noise_state(len(each.chain.path)) for each in live]
        return draw(scores, heats, states, _WIDTH)

    def _sample(self, spot: Spot, tokens: list[int], budget: int) -> Draft:
        """Draws for the row's rule; nothing about them may depend on time."""
        before = self._drawn.get(spot.row)
        turn = 0 if before is None else before.keys[2] + 1
        room = self._reader.network.max_positions - len(tokens)

        def scores(drafted: Sequence[int], mask: Mask | None) -> Tensor:
            return self.scores([Asked(spot.row, [*tokens, *drafted], mask)])[0]

        sampler = Sampler(spot, scores, self._unsaid, turn)
        self._drawn[spot.row] = sampler.sample(spot.request.draft_rule, min(budget, room))
        return sampler.draft()
