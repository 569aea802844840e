"""The lanes of one network, and ragged forwards over them.

Lanes catch up with what their rows have said when they run, in one forward, however long they were
left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.drafts.draft import Draft
from tether.decoding.knob.steer import Steering
from tether.decoding.lane import Lane, Reading
from tether.decoding.models.base import Head, Network, Watch
from tether.decoding.nudge import Retelling
from tether.decoding.sharing import LEAST, Beginnings, common

_CHUNK = 512  # bounds the attention mask of long prompts
_USUAL = 96  # tokens said after a prompt, as a first guess of the room that a row needs


class Lanes:
    """The lanes of one network, without gaps between their slots when they run."""

    def __init__(self, network: Network, num_slots: int) -> None:
        self.network = network
        self._cache = SlotCache(network.num_layers, num_slots)
        self._beginnings = Beginnings(self._cache)
        self._lanes: list[Lane | None] = [None] * num_slots

    def add(self, lane: Lane) -> None:
        """Give a lane a free slot."""
        if None not in self._lanes:
            self._lanes.append(None)
            self._cache.grow(len(self._lanes))
        free = [slot for slot, held in enumerate(self._lanes) if held is None]
        self._cache.expect(min(len(lane.prompt) + _USUAL, self.network.max_positions))
        lane.slot = self._beginnings.best(free, lane.prompt)
        self._lanes[lane.slot] = lane

    def remove(self, lane: Lane) -> None:
        """Free the slot of a lane."""
        self._beginnings.leave(lane.slot, lane.left())
        self._lanes[lane.slot] = None
        self._cache.lengths[lane.slot] = 0

    def run_all(
        self,
        taps: tuple[int, ...],
        heads: tuple[Head, ...] = (),
        drafts: Mapping[Lane, Draft] | None = None,
    ) -> Reading:
        """One forward over all lanes that run, and over what is drafted after some of them."""
        self._close_gaps()
        return self._run([lane for lane in self._lanes if _runs(lane)], taps, heads, drafts)

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

    def start(
        self, lanes: Sequence[Lane], taps: tuple[int, ...], heads: tuple[Head, ...] = ()
    ) -> Reading:
        """Lanes in slots side by side read their prompts to the end; no other lane runs."""
        for lane in lanes:
            lane.waits = False
        return self._run(list(lanes), taps, heads)

    def unread(self, lane: Lane) -> int:
        """How much of a lane is pending, once it has taken over what other slots hold of it."""
        self._adopt(lane)
        return len(lane.pending())

    def read_on(self, lane: Lane, most: int) -> int:
        """Read a piece of a prompt longer than that, and not its end; how many tokens it had."""
        if self.unread(lane) <= most:
            return 0
        piece = min(most, _CHUNK)
        self._read(lane, piece)
        return piece

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
        self._read_once([lane for lane in lanes if not lane.held])
        for lane in lanes:
            self._read(lane, (len(lane.pending()) - 1) // _CHUNK * _CHUNK)
        mixtures = _stacked([lane.take_mixture() for lane in lanes])
        watch = Watch(heads) if heads else None
        given = {
            place: drafts[lane] for place, lane in enumerate(lanes) if drafts and lane in drafts
        }
        certain = [lane.pending() for lane in lanes]
        flat = self._forward(lanes, certain, taps, mixtures, watch, given)
        read = flat.view(1 + len(taps), -1, flat.shape[1])
        places = {lane: n for n, lane in enumerate(lanes)}
        sizes = [len(draft) for draft in given.values()]
        with_draft = [lanes[place] for place in given]

        def after(found: Tensor) -> dict[Lane, Tensor]:
            return dict(zip(with_draft, torch.split(found[:, len(lanes) :], sizes, 1), strict=True))

        whole, looks = read[:, : len(lanes)], None if watch is None else watch.attention
        if looks is None:
            return Reading(whole, places, taps, drafted=after(read))
        return Reading(whole, places, taps, looks[:, : len(lanes)], after(read), after(looks))

    def _read_once(self, fresh: Sequence[Lane]) -> None:
        """What prompts share with others, or with what slots hold, is read by one lane alone."""
        for place, lane in enumerate(fresh, 1):
            self._adopt(lane)
            shared = max((common(lane.prompt[:-1], o.prompt) for o in fresh[place:]), default=0)
            if shared >= lane.held + LEAST:
                self._read(lane, shared - lane.held)

    def _read(self, lane: Lane, num_tokens: int) -> None:
        """Read so many tokens more of a lane, in pieces."""
        end = lane.held + num_tokens
        while lane.held < end:
            piece = lane.pending()[: min(_CHUNK, end - lane.held)]
            self._forward([lane], [piece], ())

    def _adopt(self, lane: Lane) -> None:
        """Begin with what any slot holds of the prompt; where nothing is read yet."""
        if lane.held:
            return
        others = [o for o in self._lanes if o is not None and o is not lane and o.held]
        known = ((other.slot, other.known()) for other in others)
        lane.held = self._beginnings.adopt(lane.slot, lane.prompt, known)

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
        self._beginnings.spoil(lane.slot for lane in lanes)
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
        """Bring the lanes that run side by side; those that wait make room."""
        running = [lane for lane in self._lanes if _runs(lane)]
        place = running[0].slot if running else 0
        while running and place < running[-1].slot:
            if not _runs(self._lanes[place]):
                self._exchange(place, running.pop())
            place += 1

    def _exchange(self, place: int, lane: Lane) -> None:
        """Put a lane into another slot; whoever waits there takes its own."""
        other, left = self._lanes[place], lane.slot
        self._beginnings.spoil([place])
        if other is None:
            self._cache.move(left, place)
            self._beginnings.leave(left, lane.known())
        else:
            self._cache.swap(left, place)
            self._beginnings.spoil([left])
            other.slot = left
        self._lanes[left], self._lanes[place] = other, lane
        lane.slot = place


def _runs(lane: Lane | None) -> TypeGuard[Lane]:
    return lane is not None and not lane.waits


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
