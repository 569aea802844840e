"""Lanes: sequences in the cache of one network, and ragged forwards over them.

A row is one lane in its model's cache, and one more for every view with another prompt or another
network. All lanes of a row end with what the row has said; they catch up with it when they run,
in one forward, however long they were left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.drafts.draft import Draft
from tether.decoding.knob.steer import Steer, Steering
from tether.decoding.models.base import Head, Network, Watch
from tether.decoding.nudge import Retelling
from tether.decoding.row import Row

_CHUNK = 512  # bounds the attention mask of long prompts


class Lane:
    """A prompt, then what a row says, in one slot.

    Attributes:
        row: The row that it follows.
        prompt: Its own prompt, not empty.
        slot: Its place in the cache.
        held: Tokens that the cache holds and that still are the row's.
        mixture: What is fed for the row's newest token; see `Network.forward`.
        mixed: Whether mixtures were fed: the row's tokens alone do not say what the cache holds.
        steer: What is changed in the network where it chooses the row's tokens; None for nothing.
    """

    __slots__ = ("held", "mixed", "mixture", "prompt", "row", "slot", "steer")

    def __init__(self, row: Row, prompt: Sequence[int], steer: Steer | None = None) -> None:
        self.row, self.prompt, self.steer = row, tuple(prompt), steer
        self.slot, self.held = -1, 0
        self.mixture: Tensor | None = None
        self.mixed = False

    def __len__(self) -> int:
        return len(self.prompt) + self.row.num_output

    def cut(self) -> None:
        """Forget what the row took back."""
        self.held = min(self.held, len(self))

    def pending(self) -> list[int]:
        """What the network has not seen; the last token at least, for something to answer."""
        self.held = min(self.held, len(self) - 1)
        if self.held >= len(self.prompt):
            return self.row.context[self.held - len(self) :]
        said = self.row.context[len(self.row.request.prompt) :]
        return [*self.prompt[self.held :], *said]

    def take_mixture(self) -> Tensor | None:
        """What is fed for the last pending token; None is the token itself."""
        taken, self.mixture = self.mixture, None
        self.mixed |= taken is not None
        return taken


@dataclass(frozen=True, slots=True)
class Reading:
    """What a network's head reads after the last token of some lanes.

    Attributes:
        hidden: [1 + taps, lanes, width]; the last layer, then the taps.
        places: A lane's place among the lanes.
        taps: The layers that were read early.
        attention: [heads, lanes, length] of the watched heads; None where none were watched.
        drafted: [nodes, width] of the last layer, after the tokens of each lane's draft.
    """

    hidden: Tensor
    places: Mapping[Lane, int]
    taps: tuple[int, ...]
    attention: Tensor | None = None
    drafted: Mapping[Lane, Tensor] = field(default_factory=dict)

    def of(self, wanted: Sequence[tuple[Lane, int | None]]) -> Tensor:
        """[wanted, width] of lanes, each at a tapped layer or (None) at the last."""
        lanes = [self.places[lane] for lane, _ in wanted]
        layers = [0 if tap is None else 1 + self.taps.index(tap) for _, tap in wanted]
        if lanes == list(range(self.hidden.shape[1])) and not any(layers):
            return self.hidden[0]
        return self.hidden[layers, lanes]

    def looks(self, lanes: Sequence[Lane]) -> Tensor | None:
        """[lanes, length], what the watched heads look at, their mean."""
        if self.attention is None:
            return None
        return self.attention[:, [self.places[lane] for lane in lanes]].mean(0)

    @staticmethod
    def join(readings: Sequence[Reading]) -> Reading:
        """Readings of the same taps as one; of one row, so their attention is the first's."""
        lanes = [lane for reading in readings for lane in reading.places]
        hidden = torch.cat([reading.hidden for reading in readings], dim=1)
        places = {lane: n for n, lane in enumerate(lanes)}
        return Reading(hidden, places, readings[0].taps, readings[0].attention)


class Lanes:
    """The lanes of one network, without gaps between their slots when they run."""

    def __init__(self, network: Network, num_slots: int) -> None:
        self.network = network
        self._cache = SlotCache(network.num_layers, num_slots)
        self._lanes: list[Lane | None] = []

    def add(self, lane: Lane) -> None:
        """Give a lane the first free slot."""
        if None not in self._lanes:
            self._lanes.append(None)
            self._cache.grow(len(self._lanes))
        lane.slot = self._lanes.index(None)
        self._lanes[lane.slot] = lane

    def remove(self, lane: Lane) -> None:
        """Free the slot of a lane."""
        self._lanes[lane.slot] = None
        self._cache.lengths[lane.slot] = 0

    def run_all(
        self,
        taps: tuple[int, ...],
        heads: tuple[Head, ...] = (),
        drafts: Mapping[Lane, Draft] | None = None,
    ) -> Reading:
        """One forward over all lanes, and over what is drafted after some of them."""
        self._close_gaps()
        return self._run([lane for lane in self._lanes if lane is not None], taps, heads, drafts)

    def keep(self, lane: Lane, nodes: Sequence[int]) -> None:
        """Of what was drafted after a lane in the last forward, hold a path, and no others."""
        self._cache.keep(lane.slot, lane.held, nodes)
        lane.held += len(nodes)

    def run(self, lanes: Sequence[Lane], taps: tuple[int, ...]) -> Reading:
        """One forward over these lanes; those that stand between them catch up beside them."""
        self._close_gaps()
        slots = [lane.slot for lane in lanes]
        between = self._lanes[min(slots) : max(slots) + 1]
        return self._run([lane for lane in between if lane is not None], taps)

    def start(self, lane: Lane, taps: tuple[int, ...], heads: tuple[Head, ...] = ()) -> Reading:
        """One lane alone, the others as they are: how a row begins, whatever its company."""
        return self._run([lane], taps, heads)

    def retelling(self, lane: Lane) -> Retelling:
        """The last token of a lane that has just run."""
        token = lane.row.context[-1]
        return Retelling(self.network, self._cache, lane.slot, token, _steering([lane]))

    def _run(
        self,
        lanes: list[Lane],
        taps: tuple[int, ...],
        heads: tuple[Head, ...] = (),
        drafts: Mapping[Lane, Draft] | None = None,
    ) -> Reading:
        for lane in lanes:
            while len(pending := lane.pending()) > _CHUNK:
                self._forward([lane], [pending[:_CHUNK]], ())
        mixtures = _stacked([lane.take_mixture() for lane in lanes])
        watch = Watch(heads) if heads else None
        given = {
            place: drafts[lane] for place, lane in enumerate(lanes) if drafts and lane in drafts
        }
        certain = [lane.pending() for lane in lanes]
        flat = self._forward(lanes, certain, taps, mixtures, watch, given)
        read = flat.view(1 + len(taps), -1, flat.shape[1])
        places = {lane: n for n, lane in enumerate(lanes)}
        attention = None if watch is None else watch.attention
        nodes = torch.split(read[0, len(lanes) :], [len(draft) for draft in given.values()])
        drafted = {lanes[place]: found for place, found in zip(given, nodes, strict=True)}
        return Reading(read[:, : len(lanes)], places, taps, attention, drafted)

    def _forward(
        self,
        lanes: list[Lane],
        pending: list[list[int]],
        taps: tuple[int, ...],
        mixtures: Tensor | None = None,
        watch: Watch | None = None,
        drafts: Mapping[int, Draft] | None = None,
    ) -> Tensor:
        network, cache = self.network, self._cache
        for lane in lanes:
            cache.rollback(lane.slot, cache.lengths[lane.slot] - lane.held)
        counts = [len(tokens) for tokens in pending]
        first = lanes[0].slot
        window = cache.window(
            first, counts, device=network.device, dtype=network.dtype, drafts=drafts
        )
        whole = [[*own, *_tokens(drafts, row)] for row, own in enumerate(pending)]
        width = max(window.counts)
        padded = [tokens + [0] * (width - len(tokens)) for tokens in whole]
        tokens = torch.tensor(padded).to(network.device)
        hidden = network.forward(tokens, cache, window, taps, mixtures, watch, _steering(lanes))
        cache.commit(window)
        for lane, count in zip(lanes, counts, strict=True):
            lane.held += count
        return hidden

    def _close_gaps(self) -> None:
        """Move the last lanes into free slots."""
        while None in self._lanes:
            last = self._lanes.pop()
            if last is not None:
                free = self._lanes.index(None)
                self._cache.move(last.slot, free)
                self._lanes[free], last.slot = last, free


def _steering(lanes: Sequence[Lane]) -> Steering | None:
    """From the last token of its prompt on, each lane that asks for it is turned."""
    steers = [lane.steer for lane in lanes]
    if not any(steers):
        return None
    return Steering(steers, [len(lane.prompt) - 1 for lane in lanes])


def _tokens(drafts: Mapping[int, Draft] | None, row: int) -> Sequence[int]:
    """What is drafted for the row at a place."""
    return drafts[row].tokens if drafts and row in drafts else ()


def _stacked(mixtures: Sequence[Tensor | None]) -> Tensor | None:
    """[lanes, vocab], zero where a lane has none; None where no lane has one."""
    given = next((mixture for mixture in mixtures if mixture is not None), None)
    if given is None:
        return None
    none = torch.zeros_like(given)
    return torch.stack([none if mixture is None else mixture for mixture in mixtures])
