"""One token a row through a lean network in a few static shapes: for CUDA graphs and compilers.

Where every row reads one token, which most turns are, a GPU spends less time on the work than on
being told of it, kernel by kernel. Here rows are rounded up to a power of two and columns as well,
tensors stay where they are, and what is done with them can be held on to: captured as a CUDA graph,
or compiled. What rounding adds writes into a column behind all others and is read by nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.window import Window, additive

_LEAST = 128  # columns

Step = Callable[[], Tensor]
Hold = Callable[[Step], Step]
"""Makes of a step over tensors that stay where they are one that is told of once."""


class Stack(Protocol):
    """The layers of a network as a function of tensors."""

    def __call__(
        self, tokens: Tensor, places: Places, keys: list[Tensor], values: list[Tensor]
    ) -> Tensor:
        """What the head reads of each token, [rows, width]; writes keys and values."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the tokens of a static step are.

    Attributes:
        first: The slot of the first row.
        length: Columns that are read.
        positions: int64 [rows].
        columns: int64 [rows]; where keys and values are written.
        mask: Additive float mask [rows, 1, 1, length].
    """

    first: int
    length: int
    positions: Tensor
    columns: Tensor
    mask: Tensor


class StaticStep:
    """Steps of one network, one for every shape and cache it has met.

    Args:
        stack: The network's layers.
        hold: What makes a step of its own of every shape.
    """

    def __init__(self, stack: Stack, hold: Hold) -> None:
        self._stack, self._hold = stack, hold
        self._held: WeakKeyDictionary[SlotCache, _Steps] = WeakKeyDictionary()

    def run(self, tokens: Tensor, cache: SlotCache, window: Window) -> Tensor:
        """Run int64 [rows, 1] through the layers, as `Network.forward` does; [rows, width]."""
        rows, first = len(tokens), window.slots.start
        size = min(_rounded(rows), cache.num_slots - first)
        length = max(_LEAST, _rounded(window.length))
        for layer in cache.layers:
            layer.reserve(length)
        steps = self._held.get(cache)
        if steps is None or steps.base is not cache.layers[0].keys:  # new, or grown
            steps = self._held[cache] = _Steps(cache)
        shape = first, size, length
        if shape not in steps.held:
            steps.held[shape] = _Held(self._stack, self._hold, cache, shape, window)
        return steps.held[shape].run(tokens[:, 0], window)[:rows].clone()


class _Steps:
    """The steps over the tensors of one cache."""

    def __init__(self, cache: SlotCache) -> None:
        self.base = cache.layers[0].keys
        self.held: dict[tuple[int, int, int], _Held] = {}


class _Held:
    """A step of one shape, with the tensors that it reads."""

    def __init__(
        self,
        stack: Stack,
        hold: Hold,
        cache: SlotCache,
        shape: tuple[int, int, int],
        window: Window,
    ) -> None:
        first, size, length = shape
        layers = [(layer.keys, layer.values) for layer in cache.layers]
        keys = [key for key, _ in layers if key is not None]
        values = [value for _, value in layers if value is not None]
        device = window.device
        spare = keys[0].shape[2] - 1
        self._tokens = torch.zeros(size, dtype=torch.int64, device=device)
        mask = torch.zeros(size, 1, 1, length, dtype=keys[0].dtype, device=device)
        positions, columns = torch.zeros_like(self._tokens), torch.full_like(self._tokens, spare)
        self._places = Places(first, length, positions, columns, mask)
        self._key = torch.arange(length, device=device)
        self._spare = spare
        self._step = hold(lambda: stack(self._tokens, self._places, keys, values))

    def run(self, tokens: Tensor, window: Window) -> Tensor:
        """Take the inputs over and do the step; the result stands until the next one."""
        rows, places = len(tokens), self._places
        self._tokens[:rows] = tokens
        places.positions[:rows] = window.positions[:, 0]
        places.columns.fill_(self._spare)
        places.columns[:rows] = window.columns[:, 0]
        hidden = self._key > places.columns[:, None, None, None]
        places.mask.copy_(additive(hidden, places.mask.dtype))
        return self._step()


def is_step(window: Window) -> bool:
    """Whether every row of a forward reads one token and no more."""
    return window.width == 1 and window.asked is None


def compiled(step: Step) -> Step:
    """A step through torch.compile."""
    made: Step = torch.compile(step, fullgraph=True)
    return made


def _rounded(number: int) -> int:
    """The next power of two."""
    return 1 << (number - 1).bit_length()


def captured(step: Step) -> Step:
    """A step as a CUDA graph; it runs a few times first, as capturing wants."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step()

    def replay() -> Tensor:
        graph.replay()
        return found

    return replay
