"""Packed and padded attention: the same numbers, however ragged the rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from checkpoints import save_checkpoint
from torch import Tensor

from tether.decoding.cache import SlotCache
from tether.decoding.drafts.draft import Draft
from tether.decoding.models.attention import Packed
from tether.decoding.models.checkpoint import load_weights, read_json
from tether.decoding.models.flat import Flat
from tether.decoding.models.lean import LeanNetwork
from tether.decoding.window import Window

CPU = torch.device("cpu")
HELD = (40, 3, 700, 41, 40, 900)
TREE = Draft((5, 6, 7, 8), (-1, 0, 0, -1), (0.5,) * 4)
CHAIN = Draft.chain((5, 6, 7), (0.5,) * 3)


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> LeanNetwork:
    directory: Path = tmp_path_factory.mktemp(request.param)
    save_checkpoint(directory, request.param, max_position_embeddings=1024)
    config = read_json(directory / "config.json")
    return LeanNetwork(config, load_weights(directory), device=CPU, dtype=torch.float64)


def planned(cache: SlotCache, counts: Sequence[int], drafts: dict[int, Draft]) -> Window:
    return cache.window(0, counts, device=CPU, dtype=torch.float64, drafts=drafts)


def read(
    network: LeanNetwork, counts: Sequence[int], drafts: dict[int, Draft], *, packs: bool
) -> list[Tensor]:
    """What is read at the ends of beginnings, and after so many tokens more; and what is held."""
    cache, found, rng = SlotCache(network.num_layers, len(counts)), list[Tensor](), random.Random(1)
    for given, drafted in ((HELD[: len(counts)], {}), (counts, drafts)):
        window = planned(cache, given, drafted)
        rows, width = len(window.counts), window.width
        tokens = [[rng.randrange(1, 100) for _ in range(width)] for _ in range(rows)]
        forward = network.forward if packs else network.traced
        found.append(forward(torch.tensor(tokens), cache, window))
        cache.commit(window)
    held = cache.layers[-1]
    assert held.keys is not None, "the last layer has read"
    return [*found, *(held.keys[slot, :, :n] for slot, n in enumerate(cache.lengths))]


@pytest.mark.parametrize(
    ("counts", "drafts"),
    [
        ((1,), {}),
        ((7,), {}),
        ((1,) * 6, {}),
        ((2,) * 6, {}),
        ((1, 5, 1, 1, 3, 2), {}),
        ((1, 1, 2, 1, 1, 4), {1: CHAIN, 3: CHAIN, 4: CHAIN}),
        ((1, 1, 2, 1, 3, 1), {0: TREE, 2: CHAIN, 4: TREE, 5: TREE}),
    ],
)
def test_packed_rows_are_read_as_padded_ones(
    network: LeanNetwork, counts: tuple[int, ...], drafts: dict[int, Draft]
) -> None:
    packed = read(network, counts, drafts, packs=True)
    padded = read(network, counts, drafts, packs=False)
    for ours, theirs in zip(packed, padded, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_rows_that_are_alike_attend_together() -> None:
    """Lengths 40, 41 and 40 in one call; 700 columns beside 3 would be read in vain."""
    cache = SlotCache(1, 6)
    cache.lengths = [40, 41, 40, 3, 700, 700]
    window = planned(cache, (1, 1, 1, 1, 1, 2), {})
    packed = Packed(window, Flat(window), size=256)
    slots = [(group.slots.start, group.slots.stop) for group in packed.groups]
    assert slots == [(0, 4), (4, 5), (5, 6)]


def test_the_last_layer_goes_on_with_what_is_read_alone() -> None:
    cache = SlotCache(1, 3)
    window = planned(cache, (4, 1, 3), {2: CHAIN})
    tail = Flat(window).tail()
    assert tail is not None
    assert tail.sizes == (1, 1, 4)
    assert tail.kept.tolist() == [3, 4, 7, 8, 9, 10]  # of 4 + 1 + 6 tokens
    assert tail.reads.tolist() == [0, 1, 2, 3, 4, 5]
    assert Flat(planned(cache, (1, 1, 1), {0: CHAIN})).tail() is None
