"""A model without some of its sub-layers: what it computes, and which of them are found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.cache import SlotCache
from tether.decoding.drafts.draft import NOTHING, Spot, Verdict
from tether.decoding.drafts.model_reader import Asked, Reader
from tether.decoding.drafts.swift import Swift, foretold
from tether.decoding.drafts.swift_search import SkipSearch
from tether.decoding.models.base import Model
from tether.decoding.models.lean import LeanNetwork, Skip
from tether.decoding.request import Request
from tether.errors import ModelError


@pytest.fixture(scope="module")
def model() -> Model:
    return models.load()


def lean(model: Model) -> LeanNetwork:
    return cast(LeanNetwork, model.network)


class TestWithout:
    TOKENS = (5, 9, 300, 41, 7)

    def test_nothing_left_out_is_the_network(self, model: Model) -> None:
        whole = Reader(model.network).scores([Asked("a", self.TOKENS)])
        torch.testing.assert_close(
            Reader(lean(model).without(Skip())).scores([Asked("a", self.TOKENS)]), whole
        )

    def test_what_is_left_out_adds_nothing(self, model: Model) -> None:
        """As if the sub-layer's last matrix were zero."""
        network = lean(model)
        weights = dict(network._weights)
        for name in ("layers.2.self_attn.o_proj", "layers.3.mlp.down_proj"):
            weights[f"model.{name}.weight"] = torch.zeros_like(weights[f"model.{name}.weight"])
        zeroed = LeanNetwork(network._config, weights, device=network.device, dtype=network.dtype)
        shorter = network.without(Skip(frozenset({2}), frozenset({3})))
        wanted = Reader(zeroed).scores([Asked("a", self.TOKENS)])
        torch.testing.assert_close(Reader(shorter).scores([Asked("a", self.TOKENS)]), wanted)
        before = Reader(network).scores([Asked("a", self.TOKENS)])
        assert not torch.allclose(before, wanted), "the whole network is another one"

    def test_attention_that_is_left_out_keeps_no_cache(self, model: Model) -> None:
        shorter = lean(model).without(Skip(attention=frozenset({1})))
        cache = SlotCache(shorter.num_layers, 1)
        window = cache.window(0, [3], device=shorter.device, dtype=shorter.dtype)
        shorter.forward(torch.tensor([[1, 2, 3]]), cache, window)
        assert cache.layers[1].keys is None
        assert cache.layers[0].keys is not None


class TestSearch:
    def test_it_starts_at_every_second_layer(self) -> None:
        assert SkipSearch(8).best == Skip(frozenset({1, 3, 5}), frozenset({1, 3, 5}))

    def test_trials_leave_the_ends_whole(self) -> None:
        search = SkipSearch(10)
        for number in range(40):
            trial = search.trial()
            assert trial.attention | trial.mlp <= set(range(1, 9))
            if number % 2 == 0:
                assert len(trial.attention) + len(trial.mlp) == int(16 * 0.45)

    def test_it_finds_what_can_be_spared(self) -> None:
        """Tokens foretold fall by each needed sub-layer that is left out."""
        search = SkipSearch(8)
        needed = {("a", 1), ("a", 3), ("a", 4), ("m", 2), ("m", 5), ("m", 6)}

        def score(skip: Skip) -> float:
            parts = {("a", n) for n in skip.attention} | {("m", n) for n in skip.mlp}
            return 0.97 ** len(parts - needed) * 0.6 ** len(parts & needed)

        before = score(search.best)
        for _ in range(300):
            if search.is_over:
                break
            best = score(search.best)
            search.compare(best, score(search.trial()))
        assert before < 0.3
        assert score(search.best) > 0.75

    def test_it_ends(self) -> None:
        search = SkipSearch(8)
        search.trial()
        search.compare(0.5, 0.96)
        assert search.is_over
        idle = SkipSearch(8)
        for number in range(300):
            assert not idle.is_over, number
            idle.trial()
            idle.compare(0.5, 0.5)
        assert idle.is_over


class TestSwift:
    def test_it_tries_sets_on_what_is_said(
        self, model: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drafter = Swift(model, floor=0.0)
        scores = iter([0.2, 0.9])
        monkeypatch.setattr("tether.decoding.drafts.swift.foretold", lambda *given: next(scores))
        before = drafter._reader.network
        asked = Request("row", (5, 6, 7))
        context = [*asked.prompt, *range(100, 140)]
        assert len(drafter.propose(Spot("row", asked, context), 4)) > 0
        for _ in range(32):
            drafter.observe(Verdict("row", asked, context, NOTHING, [1], [0], []))
        assert next(scores, None) is None, "one comparison in 32 turns"
        assert drafter._reader.network is not before
        assert len(drafter.propose(Spot("row", asked, context), 4)) > 0

    def test_foretold(self, model: Model) -> None:
        network = model.network
        text = [5, 9, 300, 41]
        for _ in range(4):
            text.append(int(Reader(network).scores([Asked("a", text)]).argmax()))
        assert foretold(network, text, 4) == 1.0
        assert foretold(network, [*text[:-1], (text[-1] + 1) % 2048], 4) == 0.75

    def test_other_networks_are_refused(self, tmp_path: Path) -> None:
        save_checkpoint(tmp_path, "llama")  # two layers
        few = models.load(str(tmp_path), dtype="float32")
        with pytest.raises(ModelError, match="left out"):
            Swift(few)
        with pytest.raises(ModelError, match="left out"):
            Swift(replace(few, network=object()))  # type: ignore[arg-type]
