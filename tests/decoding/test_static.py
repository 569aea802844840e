"""Steps in static shapes: the same numbers and texts, few shapes, nothing written over."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.cache import SlotCache
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.models.lean import LeanNetwork
from tether.decoding.models.static import StaticStep, Step
from tether.decoding.request import Request, Sampling
from tether.grammars import regex


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp(request.param)
    save_checkpoint(directory, request.param, max_position_embeddings=300)
    return models.load(str(directory), dtype="float32")


@pytest.fixture
def network(model: Model, monkeypatch: pytest.MonkeyPatch) -> LeanNetwork:
    """The model's, with static steps that are only counted."""
    assert isinstance(model.network, LeanNetwork)
    monkeypatch.setattr(model.network, "static", StaticStep(model.network.stack, lambda step: step))
    return model.network


def fed(network: LeanNetwork, cache: SlotCache, first: int, rows: list[list[int]]) -> torch.Tensor:
    counts = [len(row) for row in rows]
    window = cache.window(first, counts, device=network.device, dtype=network.dtype)
    tokens = torch.tensor([row + [0] * (max(counts) - len(row)) for row in rows])
    found = network.forward(tokens, cache, window)
    cache.commit(window)
    return found


def test_steps_equal_forwards(network: LeanNetwork) -> None:
    rng = random.Random(1)
    static, plain = (SlotCache(network.num_layers, 8) for _ in range(2))
    prompts = [[rng.randrange(250) for _ in range(n)] for n in (3, 120, 40, 7, 30)]
    steps, network.static = network.static, None
    for cache in (static, plain):
        fed(network, cache, 0, prompts)
    for turn in range(12):  # past a power of two on the way
        first, count = turn % 3, 1 + turn % 5
        rows = [[rng.randrange(250)] for _ in range(min(count, 5 - first))]
        network.static = steps
        found = fed(network, static, first, rows)
        network.static = None
        torch.testing.assert_close(found, fed(network, plain, first, rows), atol=1e-5, rtol=1e-5)
    held = [(layer.keys, layer.values) for cache in (static, plain) for layer in cache.layers]
    for (keys, values), (other_keys, other_values) in zip(
        held[: network.num_layers], held[network.num_layers :], strict=True
    ):
        assert keys is not None
        assert values is not None
        assert other_keys is not None
        assert other_values is not None
        for slot, length in enumerate(plain.lengths):
            for one, other in ((keys, other_keys), (values, other_values)):
                torch.testing.assert_close(
                    one[slot, :, :length], other[slot, :, :length], atol=1e-5, rtol=1e-5
                )


def rows_of(model: Model) -> list[Request]:
    rng = random.Random(2)
    letters = regex("[a-f]{3,30}", model.vocabulary)
    head = "a head that some of these rows begin with, word for word. "
    rows = []
    for n in range(14):
        text = head * (n % 2) + "".join(rng.choice("abcdef ") for _ in range(rng.randrange(1, 90)))
        sampling = Sampling(temperature=float(n % 3 != 0), seed=n)
        constraint = letters if n % 3 else None
        prompt = tuple(model.vocabulary.encode(text))
        rows.append(Request(str(n), prompt, constraint, sampling, max_tokens=6 + 5 * (n % 5)))
    return rows


@pytest.mark.parametrize("slots", [1, 3, 7, 16])
def test_texts_are_the_same(model: Model, network: LeanNetwork, slots: int) -> None:
    rows = rows_of(model)
    static = {r.key: r.tokens for r in Loop(model, slots=slots).run(rows)}
    network.static = None
    assert static == {r.key: r.tokens for r in Loop(model, slots=slots).run(rows)}


def test_shapes_are_few(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(model.network, LeanNetwork)
    made = 0

    def count(step: Step) -> Step:
        nonlocal made
        made += 1
        return step

    monkeypatch.setattr(model.network, "static", StaticStep(model.network.stack, count))
    list(Loop(model, slots=8).run(rows_of(model)))
    assert 0 < made <= 8  # 1, 2, 4 or 8 rows, 128 or 256 columns


def test_a_step_is_one_graph(network: LeanNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it needs Python: it can be compiled, and so captured."""

    def traced(step: Step) -> Step:
        made: Step = torch.compile(step, backend="eager", fullgraph=True)
        return made

    cache = SlotCache(network.num_layers, 4)
    network.static = None
    fed(network, cache, 0, [[1, 2, 3], [4, 5]])
    expected = fed(network, cache, 0, [[6], [7]])
    cache.lengths[:2] = [3, 2]
    network.static = StaticStep(network.stack, traced)
    torch.testing.assert_close(fed(network, cache, 0, [[6], [7]]), expected, atol=1e-5, rtol=1e-5)


def test_compile_is_a_setting(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "llama")
    network = models.load(str(tmp_path), compile=True).network
    assert isinstance(network, LeanNetwork)
    assert isinstance(network.static, StaticStep)
