"""Sentence-transformers directories: what is read, what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tether.errors import ModelError, UnavailableError
from tether.grounding.index.embed import SentenceEmbedder, unit

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "wrote", "rain", "falls", "in"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 16 numbers with mean pooling, random weights."""
    pytest.importorskip("sentence_transformers")
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    path = tmp_path_factory.mktemp("embedder")
    bert = path / "bert"
    bert.mkdir()
    (bert / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(bert)
    BertTokenizerFast(str(bert / "vocab.txt")).save_pretrained(bert)
    model = SentenceTransformer(modules=[Transformer(str(bert)), Pooling(16, "mean")])
    model.save(str(path / "saved"), create_model_card=False)
    return path / "saved"


def test_texts_become_unit_vectors(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    embedder = SentenceEmbedder(directory)
    vectors = embedder.embed(["who wrote", "rain falls in", "who wrote"])
    assert embedder.width == vectors.shape[1] == 16
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
    np.testing.assert_allclose(embedder.embed(["who wrote"])[0], vectors[0], atol=1e-6)
    assert embedder.embed([]).shape == (0, 16)
    assert capfd.readouterr() == ("", "")


def test_the_fingerprint_follows_the_weights(directory: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    before = SentenceEmbedder(copy).fingerprint
    assert before == SentenceEmbedder(directory).fingerprint
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert SentenceEmbedder(copy).fingerprint != before


def test_what_is_no_such_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"modules\.json") as caught:
        SentenceEmbedder(tmp_path)
    assert "hidden" in caught.value.hint


def test_code_of_the_directory_is_never_run(directory: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    (copy / "own.py").write_text("raise SystemExit('run')", encoding="utf-8")
    modules = json.loads((copy / "modules.json").read_text(encoding="utf-8"))
    modules[1]["type"] = "own.Pooling"
    (copy / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(ModelError, match=r"code of its own \(own\.Pooling\)"):
        SentenceEmbedder(copy)


def test_pickled_weights_are_never_read(directory: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no safetensors"):
        SentenceEmbedder(copy)
    (copy / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match="cannot load"):
        SentenceEmbedder(copy)


def test_the_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    (tmp_path / "modules.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UnavailableError, match="not installed") as caught:
        SentenceEmbedder(tmp_path)
    assert 'pip install "tether[embed]"' in caught.value.hint


def test_unit_leaves_zeros() -> None:
    made = unit(np.array([[3, 4], [0, 0]], np.float32))
    np.testing.assert_array_equal(made, np.array([[0.6, 0.8], [0, 0]], np.float32))
