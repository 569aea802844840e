"""Loading checkpoints: what is found, what is refused and with which cure, both backends alike."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import models
from tether.decoding.models import checkpoint
from tether.decoding.models.base import Model
from tether.decoding.models.lean import LeanNetwork
from tether.errors import ModelError


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llama")
    save_checkpoint(directory, "llama")
    return directory


@pytest.fixture
def copy(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral"])
def test_lean_logits_equal_the_library(kind: str, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, kind, tie_word_embeddings=kind == "qwen2")
    logits = []
    for backend in ("lean", "transformers"):
        model = models.load(str(tmp_path), dtype="float32", backend=backend)
        cache_window = _forward(model, [5, 6, 7, 8, 9])
        logits.append(cache_window)
    torch.testing.assert_close(logits[0], logits[1], atol=1e-4, rtol=0)


def _forward(model: Model, tokens: list[int]) -> torch.Tensor:
    from tether.decoding.cache import SlotCache

    network = model.network
    cache = SlotCache(network.num_layers, 1)
    window = cache.window(0, [len(tokens)], device=network.device, dtype=network.dtype)
    logits: torch.Tensor = network.head(network.forward(torch.tensor([tokens]), cache, window))
    return logits


def test_auto_takes_lean_only_where_it_is_exact(copy: Path) -> None:
    assert isinstance(models.load(str(copy)).network, LeanNetwork)
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
    edit(copy / "config.json", rope_parameters=scaled)
    assert not isinstance(models.load(str(copy)).network, LeanNetwork)


class TestDtypeOfItsOwn:
    """On a CPU, bfloat16 where it gains: large, stored so, and with products of it."""

    @pytest.fixture(autouse=True)
    def fast(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(models, "_has_fast_bf16", lambda: True)

    def kind(self, directory: Path) -> torch.dtype:
        return models.load(str(directory), device="cpu").network.dtype

    def test_small(self, copy: Path) -> None:
        edit(copy / "config.json", dtype="bfloat16")
        assert self.kind(copy) == torch.float32

    def test_large(self, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tether.decoding.models.base.SMALL", 1000)
        assert self.kind(copy) == torch.float32  # it is stored so
        edit(copy / "config.json", dtype="bfloat16")
        assert self.kind(copy) == torch.bfloat16
        monkeypatch.setattr(models, "_has_fast_bf16", lambda: False)
        assert self.kind(copy) == torch.float32


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux counts memory there")
def test_weights_are_mapped_and_not_copied_twice(tmp_path: Path) -> None:
    """A process that loads 60 MB of weights in their own dtype holds less than as much again."""
    save_checkpoint(tmp_path, "llama", hidden_size=512, intermediate_size=2048, num_hidden_layers=4)
    size = (tmp_path / "model.safetensors").stat().st_size
    assert size > 60e6
    code = f"""
import re, torch
from tether.decoding import models
from tether.decoding.models.lean import LeanNetwork
def held():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
before = held()
model = models.load({str(tmp_path)!r}, dtype="float32", backend="lean")
print(held() - before)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Matrices that are stacked are copied, three fifths of this model; the others stay mapped.
    assert int(done.stdout) < 0.9 * size


class TestRefusals:
    def test_missing_directory(self) -> None:
        with pytest.raises(ModelError, match="no model directory") as caught:
            models.load("/nowhere/at/all")
        assert "path" in caught.value.hint

    def test_id_that_is_not_cached(self) -> None:
        with pytest.raises(ModelError, match="local hub cache") as caught:
            models.load("nobody/nothing")
        assert "hf download nobody/nothing" in caught.value.hint

    def test_directory_without_config(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"no config\.json"):
            models.load(str(tmp_path))

    def test_no_tokenizer(self, copy: Path) -> None:
        (copy / "tokenizer.json").unlink()
        with pytest.raises(ModelError, match=r"no tokenizer\.json"):
            models.load(str(copy))

    def test_pickled_weights_are_not_read(self, copy: Path) -> None:
        (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
        with pytest.raises(ModelError, match=r"lacks model\.safetensors") as caught:
            models.load(str(copy))
        assert "safetensors only" in caught.value.hint

    def test_truncated_weights(self, copy: Path) -> None:
        path = copy / "model.safetensors"
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(ModelError, match="not a readable safetensors file"):
            models.load(str(copy))

    def test_broken_config(self, copy: Path) -> None:
        (copy / "config.json").write_text("{")
        with pytest.raises(ModelError, match="cannot be read as JSON"):
            models.load(str(copy))

    def test_unknown_architecture(self, copy: Path) -> None:
        edit(copy / "config.json", model_type="no-such-thing")
        with pytest.raises(ModelError, match="transformers cannot load"):
            models.load(str(copy))

    def test_device_and_dtype(self, copy: Path) -> None:
        with pytest.raises(ModelError, match="Device 'gpu'") as caught:
            models.load(str(copy), device="gpu")
        assert "cpu" in caught.value.hint
        with pytest.raises(ModelError, match="Unknown dtype"):
            models.load(str(copy), dtype="int4")

    def test_recurrent_layers(self, copy: Path) -> None:
        edit(
            copy / "config.json",
            model_type="qwen2",
            use_sliding_window=False,
            layer_types=["full_attention", "linear_attention"],
        )
        with pytest.raises(ModelError):
            models.load(str(copy))


def test_fingerprint_sees_weights_and_tokenizer(copy: Path) -> None:
    before = checkpoint.fingerprint(copy)
    edit(copy / "tokenizer_config.json", eos_token="other")
    changed = checkpoint.fingerprint(copy)
    save_checkpoint(copy, "llama", seed=1)
    assert len({before, changed, checkpoint.fingerprint(copy)}) == 3


def test_end_ids_come_from_both_configs(copy: Path) -> None:
    (copy / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 7]}))
    assert models.load(str(copy)).end_ids == {0, 7}
