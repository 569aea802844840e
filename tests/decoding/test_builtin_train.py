"""Training the shipped model: a tiny run learns, resumes where it stopped, and exports."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tether.decoding.builtin.average import average
from tether.decoding.builtin.batches import cut, pool
from tether.decoding.builtin.checkpoint import export, load_state, load_weights, save_state
from tether.decoding.builtin.generator.mix import tokenizer_texts
from tether.decoding.builtin.optimiser import orthogonal, rate
from tether.decoding.builtin.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from tether.decoding.builtin.train import Origin, Run, answer_loss, make_model


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("builtin")
    save_tokenizer(train_tokenizer(tokenizer_texts(random.Random(1), 400), 640), path)
    return path


def tiny(folder: Path) -> Run:
    torch.manual_seed(0)
    tokenizer = load_tokenizer(folder)
    model = make_model(tokenizer.get_vocab_size(), layers=2, width=64)
    return Run(model, tokenizer, folder, 2_000_000, random.Random(2))


@pytest.mark.parametrize("word", ["Lumbrax", "lumbrax", "landlord", "713"])
def test_a_word_has_the_same_tokens_wherever_it_stands(folder: Path, word: str) -> None:
    tokenizer = load_tokenizer(folder)
    alone = tokenizer.encode(word).ids
    for text in (f" {word}", f'"{word}"', f"({word})", f"\n{word}", f":{word}"):
        ids = tokenizer.encode(text).ids
        assert alone == ids[1 : 1 + len(alone)]
        assert tokenizer.decode(ids) == text


def test_special_tokens_are_first(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    assert tokenizer.encode("<|pad|><|end|>").ids == [0, 1]


def test_sixty_steps_lower_the_loss(folder: Path) -> None:
    run = tiny(folder)
    while run.step < 60:
        for batch in pool(run.rng, run.tokenizer, 0.0)[: 60 - run.step]:
            run.learn(batch)
    first, last = sum(run.losses[:5]) / 5, sum(run.losses[-5:]) / 5
    assert first > 5.5
    assert last < first - 1.5


def test_a_saved_run_goes_on_as_if_it_had_not_stopped(folder: Path, tmp_path: Path) -> None:
    run = tiny(folder)
    for batch in pool(run.rng, run.tokenizer, 0.0)[:3]:
        run.learn(batch)
    save_state(tmp_path, run.model, run.optimizers, run.rng, {"tokens": run.tokens, "step": 3})
    again = tiny(folder)
    numbers = load_state(tmp_path, again.model, again.optimizers, again.rng)
    again.tokens, again.step = int(numbers["tokens"]), int(numbers["step"])
    for each in (run, again):
        each.learn(pool(each.rng, each.tokenizer, 0.0)[0])
    assert run.losses[-1] == again.losses[-1]
    for one, two in zip(run.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_loss_looks_at_answers_only(folder: Path) -> None:
    run = tiny(folder)
    batch = pool(run.rng, run.tokenizer, 1.0)[0]
    ids = batch.ids.flatten()
    assert torch.equal(ids[batch.places + 1], batch.targets)
    assert answer_loss(run.model, batch).isfinite()


def test_batches_keep_to_their_size() -> None:
    rows = [([7] * n, 1) for n in (3, 90, 14, 15, 92, 65, 35)]
    runs = cut(rows, 100)
    assert sorted(len(ids) for run in runs for ids, _ in run) == [3, 14, 15, 35, 65, 90, 92]
    assert all(len(run) * max(len(ids) for ids, _ in run) <= 100 for run in runs)


def test_rate_rises_stays_and_falls() -> None:
    assert rate(0.0, 0) == pytest.approx(0.02)
    assert rate(0.3, 500) == 1.0
    assert rate(1.0, 9_000) == pytest.approx(0.02)
    assert rate(0.7, 9_000) == pytest.approx(0.51)


def test_newton_schulz_makes_nearly_orthogonal_rows() -> None:
    torch.manual_seed(0)
    for shape in ((2, 8, 32), (2, 32, 8)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.5
        assert values.max() < 1.4


def test_a_run_goes_on_from_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    """Weights are those of the checkpoint, but for the rounding of what is shipped."""
    first = tiny(folder)
    export(first.model, first.tokenizer, tmp_path)
    other = make_model(first.tokenizer.get_vocab_size(), layers=2, width=64)
    load_weights(other, tmp_path)
    theirs = other.state_dict()
    assert theirs
    for name, ours in first.model.state_dict().items():
        torch.testing.assert_close(theirs[name], ours, rtol=0.01, atol=1e-3)


def test_a_start_is_recorded_and_its_tokens_count(folder: Path, tmp_path: Path) -> None:
    first = tiny(folder)
    export(first.model, first.tokenizer, tmp_path)
    facts = Origin(tmp_path, 5_000).as_json()
    assert facts["seen"] == 5_000
    assert len(str(facts["start_sha256"])) == 64


def test_an_average_is_the_mean_of_each_weight(folder: Path, tmp_path: Path) -> None:
    run = tiny(folder)
    export(run.model, run.tokenizer, tmp_path / "a")
    for param in run.model.parameters():
        param.data.mul_(3)
    export(run.model, run.tokenizer, tmp_path / "b")
    average(tmp_path / "mean", [tmp_path / "a", tmp_path / "b"])
    one, mean = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "mean"))
    for name, weight in one.items():
        torch.testing.assert_close(mean[name], 2 * weight, rtol=0.02, atol=1e-3)
    assert load_tokenizer(tmp_path / "mean").get_vocab_size() == run.tokenizer.get_vocab_size()


def test_export_is_a_plain_checkpoint(folder: Path, tmp_path: Path) -> None:
    run = tiny(folder)
    export(run.model, run.tokenizer, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForCausalLM"]
    assert config["eos_token_id"] == 1
    assert {path.name for path in tmp_path.iterdir()} >= {"model.safetensors", "tokenizer.json"}
