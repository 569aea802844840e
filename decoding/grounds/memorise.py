"""Trains the MLP memory of an index on its store of states, and keeps it as a part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tether.decoding.grounds.ground import Given
from tether.decoding.grounds.memory_net import Lesson, MemoryNetwork, learn
from tether.decoding.grounds.parts import belongs, part
from tether.decoding.models.base import Model
from tether.errors import EvidenceError
from tether.grounding import memory, neighbours
from tether.grounding.index import Index
from tether.grounding.index.maker import Progress
from tether.grounding.index.writing import editing

_STATES = "store --store states"
_NEIGHBOURS, _KEPT, _TEMPERATURE = 1024, 64, 0.1


def train_memory(
    path: Path,
    model: Model,
    progress: Progress,
    *,
    epochs: int = 10,
    layers: int = 2,
    trust: float = 0.5,
    seed: int = 0,
) -> list[float]:
    """Train a memory on the states of an index and keep it as the part `memory`.

    The same index, model, settings and seed give the same memory on the same machine.

    Args:
        path: The folder of the index.
        model: Whose states they are.
        progress: Where to say how far it is.
        epochs: Times that every entry is seen.
        layers: Of the memory.
        trust: The weight of the neighbours against what really followed, in [0, 1].
        seed: Of the weights and of the order of the entries.

    Returns:
        The mean loss of each epoch.

    Raises:
        EvidenceError: The index has no states of this model, or fewer than two.
        UnavailableError: There is no index, or it is damaged.
    """
    with editing(path) as edit:
        held = part(Given(model, (), index=Index.open(path)), neighbours.NAME, _STATES)
        store = neighbours.StateStore.load(held)
        if len(store.keys) < 2:
            raise EvidenceError(f"{path} is too little to learn from.", hint="Index longer texts.")
        network = MemoryNetwork.new(model.network, held.facts["width"], layers, seed)
        losses = learn(
            network, _Lessons(store, model.network.device), len(store.keys),
            epochs=epochs, trust=trust, seed=seed, progress=progress,
        )  # fmt: skip
        settings = {"epochs": epochs, "layers": layers, "trust": trust, "seed": seed}
        facts = {**belongs(model), **settings, "entries": len(store.keys)}
        edit.put(memory.NAME, facts, lambda folder: network.save(folder / memory.FILE))
    return losses


class _Lessons:
    """The lesson of any entries of a store; the neighbours are asked once for each."""

    def __init__(self, store: neighbours.StateStore, device: torch.device) -> None:
        self._store, self._device = store, device
        count = len(store.keys)
        self._known = np.zeros(count, bool)
        self._tokens = np.zeros((count, _KEPT), np.int32)
        self._said = np.zeros((count, _KEPT), np.float32)

    def __call__(self, entries: Tensor) -> Lesson:
        ids = entries.numpy()
        new = ids[~self._known[ids]]
        if len(new):
            found = memory.targets(self._store, new, _NEIGHBOURS, _TEMPERATURE, _KEPT)
            self._tokens[new], self._said[new] = found
            self._known[new] = True
        arrays = (
            self._store.keys.vectors[ids].astype(np.float32),
            self._tokens[ids].astype(np.int64),
            self._said[ids],
            self._store.next[ids].astype(np.int64),
        )
        return Lesson(*(torch.from_numpy(held).to(self._device) for held in arrays))
