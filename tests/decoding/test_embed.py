"""Vectors from a model's own states: every token counts once, and company changes nothing."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tether.decoding import models
from tether.decoding.cache import SlotCache
from tether.decoding.embed import HiddenStates, open_embedder
from tether.decoding.models.base import Model
from tether.decoding.states import read
from tether.errors import ModelError, UsageError

TEXTS = [
    "The mentor of Anna Berg is Tom Hill.",
    "x",
    "",
    "Ünïcode 東京, a\n\nbreak, and <|doc|> spelled out.",
    "The quick brown fox jumps over the lazy dog. " * 5,
]


@cache
def shipped(backend: models.Backend = "auto") -> Model:
    return models.load(None, device="cpu", dtype="float32", backend=backend)


def one_by_one(model: Model, layer: int, text: str) -> NDArray[np.float32]:
    """The definition: feed a token at a time, read each state, take the mean, divide by length."""
    network = model.network
    cache = SlotCache(network.num_layers, 1)
    states = []
    for token in model.vocabulary.encode(text):
        window = cache.window(0, [1], device=network.device, dtype=network.dtype)
        fed = torch.tensor([[token]])
        if layer == network.num_layers:
            states.append(network.forward(fed, cache, window)[0])
        else:
            states.append(network.forward(fed, cache, window, taps=[layer])[1])
        cache.commit(window)
    mean = torch.stack(states).double().mean(dim=0)
    vector: NDArray[np.float32] = (mean / mean.norm()).float().numpy()
    return vector


@pytest.mark.parametrize("layer", [0, 2, 6])
@pytest.mark.parametrize("backend", ["lean", "transformers"])
def test_it_is_the_mean_over_tokens_in_any_company(layer: int, backend: models.Backend) -> None:
    vectors = HiddenStates(shipped(backend), layer).embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 160)
    for text, vector in zip(TEXTS, vectors, strict=True):
        wanted = one_by_one(shipped(), layer, text) if text else np.zeros(160)
        np.testing.assert_allclose(vector, wanted, atol=2e-6)


def test_a_long_text_is_read_in_pieces() -> None:
    model = shipped()
    words = [f"number {i}, " for i in range(400)]
    tokens = model.vocabulary.encode("".join(words))
    assert len(tokens) > model.network.max_positions
    embedder = HiddenStates(model, 0)  # before the first layer no token sees another
    cut = [tokens[i : i + 99] for i in range(0, len(tokens), 99)]
    found_apart = [states for _, states in read(model.network, cut, 0)]
    mean = torch.cat(found_apart).double().mean(dim=0)
    found = embedder.embed(["".join(words)])[0]
    np.testing.assert_allclose(found, (mean / mean.norm()).numpy(), atol=1e-5)


def test_fingerprints_tell_models_and_layers_apart() -> None:
    model = shipped()
    one, two = HiddenStates(model, 0), HiddenStates(model, 1)
    assert one.fingerprint == HiddenStates(model, 0).fingerprint != two.fingerprint
    assert model.fingerprint not in (one.fingerprint, two.fingerprint)
    assert not one.learned


def test_names() -> None:
    assert open_embedder("hidden", shipped).name == "hidden:0"
    assert open_embedder("hidden:6", shipped).name == "hidden:6"


@pytest.mark.parametrize("name", ["hidden:7", "hidden:x", "hidden:-1"])
def test_a_layer_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_embedder(name, shipped)
    assert caught.value.hint


def test_a_directory_that_is_none_is_refused() -> None:
    with pytest.raises(ModelError, match=r"modules\.json"):
        open_embedder("/nowhere", shipped)
