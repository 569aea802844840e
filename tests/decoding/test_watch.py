"""What heads look at: alike through both backends, under sliding windows, in ragged batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from checkpoints import save_checkpoint
from torch import Tensor

from tether.decoding import models
from tether.decoding.cache import SlotCache
from tether.decoding.models.base import Model, Watch
from tether.decoding.models.heads import copying_heads
from tether.errors import ModelError

HEADS = ((0, 1), (0, 3), (1, 0))
RAGGED = [[5, 6, 7, 8, 9, 10, 11, 12], [21, 22, 23]]


def watched(model: Model, rows: list[list[int]]) -> Tensor:
    """Attention [heads, rows, length] of the last tokens, after two forwards."""
    network = model.network
    cache = SlotCache(network.num_layers, len(rows))
    watch = Watch(HEADS)
    for part, watching in (([row[:2] for row in rows], None), ([row[2:] for row in rows], watch)):
        counts = [len(row) for row in part]
        window = cache.window(0, counts, device=network.device, dtype=network.dtype)
        fed = torch.tensor([row + [0] * (max(counts) - len(row)) for row in part])
        network.forward(fed, cache, window, watch=watching)
        cache.commit(window)
    assert watch.attention is not None
    return watch.attention


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_both_backends_look_alike(kind: str, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, kind)
    lean, library = (
        watched(models.load(str(tmp_path), dtype="float32", backend=backend), RAGGED)
        for backend in ("lean", "transformers")
    )
    torch.testing.assert_close(lean, library, atol=1e-5, rtol=0)
    torch.testing.assert_close(lean.sum(-1), torch.ones(3, 2))
    assert not lean[:, 1, 3:].any()  # the short row has three columns


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_gpt2(implementation: str, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "gpt2")
    path = tmp_path / "config.json"
    config = {**json.loads(path.read_text()), "scale_attn_by_inverse_layer_idx": True}
    path.write_text(json.dumps({**config, "attn_implementation": implementation}))
    model = models.load(str(tmp_path), dtype="float32")
    library = model.network._model  # type: ignore[attr-defined]
    batch, alone = watched(model, RAGGED), watched(model, RAGGED[:1])
    torch.testing.assert_close(batch[:, :1], alone)
    library.set_attn_implementation("eager")
    own = library(torch.tensor(RAGGED[:1]), output_attentions=True).attentions
    expected = torch.stack([own[layer][:, head, -1] for layer, head in HEADS])
    torch.testing.assert_close(alone, expected, atol=1e-5, rtol=0)


def test_a_sliding_window_hides_what_is_far(tmp_path: Path) -> None:
    save_checkpoint(
        tmp_path, "qwen2", use_sliding_window=True, sliding_window=3, max_window_layers=1
    )
    attention = watched(models.load(str(tmp_path), dtype="float32"), RAGGED)
    assert (attention[:2, 0] > 0).all()  # the first layer sees all eight
    assert not attention[2, 0, :5].any()  # the second one sees three
    assert (attention[2, 0, 5:] > 0).all()


def test_an_architecture_with_attention_of_its_own_is_refused(tmp_path: Path) -> None:
    import transformers

    save_checkpoint(tmp_path, "llama")
    config = transformers.GPTJConfig(
        vocab_size=320, n_embd=32, n_layer=2, n_head=4, rotary_dim=8, n_positions=160
    )
    transformers.GPTJForCausalLM(config).save_pretrained(tmp_path)
    model = models.load(str(tmp_path), dtype="float32")
    with pytest.raises(ModelError, match="GPTJForCausalLM cannot be watched") as caught:
        watched(model, RAGGED)
    assert "copy,by=attention" in caught.value.hint


def test_the_shipped_model_copies_with_the_same_heads() -> None:
    lean, library = (
        models.load(dtype="float32", backend=backend) for backend in ("lean", "transformers")
    )
    assert copying_heads(lean) == copying_heads(library)


def test_a_watch_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "gpt2")
    model = models.load(str(tmp_path), dtype="float32")
    config = model.network._model.config  # type: ignore[attr-defined]
    before = config._attn_implementation
    watched(model, RAGGED)
    assert config._attn_implementation == before
