"""A lane: a sequence in the cache of one network, and what is read at the ends of lanes.

A row is one lane in its model's cache, and one more for every view with another prompt or another
network. All lanes of a row end with what the row has said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tether.decoding.knob.steer import Steer
from tether.decoding.row import Row


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
        waits: Whether its prompt is still to be read, apart from the rows that run.
    """

    __slots__ = ("held", "mixed", "mixture", "prompt", "row", "slot", "steer", "waits")

    def __init__(self, row: Row, prompt: Sequence[int], steer: Steer | None = None) -> None:
        self.row, self.prompt, self.steer = row, tuple(prompt), steer
        self.slot, self.held = -1, 0
        self.mixture: Tensor | None = None
        self.mixed = self.waits = False

    def __len__(self) -> int:
        return len(self.prompt) + self.row.num_output

    def cut(self) -> None:
        """Forget what the row took back."""
        self.held = min(self.held, len(self))

    def known(self) -> tuple[int, ...]:
        """Tokens of the prompt of which the cache holds what any lane would: none is turned."""
        return self.prompt[: min(self.held, len(self.prompt) - (self.steer is not None))]

    def left(self) -> tuple[int, ...]:
        """Those tokens, and what was said after them, where nothing was mixed into it."""
        if self.mixed or self.steer is not None:
            return self.known()
        said = self.row.context[len(self.row.request.prompt) :]
        return (*self.prompt, *said)[: self.held]

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
        drafted: [1 + taps, nodes, width] after the tokens of each lane's draft.
        watched: [heads, nodes, length], what the watched heads look at from there.
    """

    hidden: Tensor
    places: Mapping[Lane, int]
    taps: tuple[int, ...]
    attention: Tensor | None = None
    drafted: Mapping[Lane, Tensor] = field(default_factory=dict)
    watched: Mapping[Lane, Tensor] = field(default_factory=dict)

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

    def after(self, nodes: Mapping[Lane, int]) -> Reading:
        """As read of some lanes, each after a node of its draft."""
        found = [self.drafted[lane][:, node] for lane, node in nodes.items()]
        places = {lane: place for place, lane in enumerate(nodes)}
        hidden = torch.stack(found, dim=1)
        if self.attention is None:
            return Reading(hidden, places, self.taps)
        looks = [self.watched[lane][:, node] for lane, node in nodes.items()]
        return Reading(hidden, places, self.taps, torch.stack(looks, dim=1))

    @staticmethod
    def join(readings: Sequence[Reading]) -> Reading:
        """Readings of the same taps as one; of one row, so their attention is the first's."""
        lanes = [lane for reading in readings for lane in reading.places]
        hidden = torch.cat([reading.hidden for reading in readings], dim=1)
        places = {lane: n for n, lane in enumerate(lanes)}
        return Reading(hidden, places, readings[0].taps, readings[0].attention)
