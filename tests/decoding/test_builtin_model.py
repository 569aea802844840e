"""The shipped checkpoint: what its card promises, on a sample; size, formats, and the way in."""

from __future__ import annotations

import hashlib
from functools import partial

import pytest

from tether.decoding import models
from tether.decoding.builtin import evaluate
from tether.decoding.builtin.generator.json_task import make_json
from tether.decoding.builtin.generator.qa_task import make_qa
from tether.decoding.models.base import Model
from tether.decoding.models.checkpoint import find
from tether.decoding.models.lean import LeanNetwork
from tether.decoding.prompt import Prompt, render

HOME = find(None)


@pytest.fixture(scope="module")
def model() -> Model:
    return models.load()


def test_is_small_and_plain() -> None:
    files = {path.name: path.stat().st_size for path in HOME.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= files.keys()
    assert sum(files.values()) <= 16_000_000
    digest = hashlib.sha256((HOME / "model.safetensors").read_bytes()).hexdigest()
    assert digest in (HOME / "README.md").read_text(encoding="utf-8")


def test_runs_without_the_library(model: Model) -> None:
    assert isinstance(model.network, LeanNetwork)


def test_template_writes_the_trained_formats(model: Model) -> None:
    assert render(model, Prompt("Mail.", fields="a")) == "<|doc|>Mail.<|json|>a<|out|>"
    assert render(model, Prompt("Who?", ("P.",))) == "<|doc|>P.<|ask|>Who?<|out|>"


@pytest.mark.parametrize("row", ["held-out entities"])
def test_json_gate(model: Model, row: str) -> None:
    split, kind = evaluate.JSON_ROWS[row]
    examples = evaluate.documents("gate", 20, partial(make_json, split=split, kind=kind))
    figures = evaluate.json_row(model, examples, row, "schema")
    assert _share(figures, "parses") == 1.0
    assert _share(figures, "leaf_fields") >= 0.8


def test_memory_is_kept_and_stale(model: Model) -> None:
    """What grounding has to repair: memory answers, and wins over a passage that contradicts it."""
    rows = {
        mode: evaluate.exact_row(
            model, evaluate.documents("gate", 24, partial(make_qa, mode=mode)), "qa", mode
        )
        for mode in ("closed", "contradict")
    }
    assert _share(rows["closed"], "exact") >= 0.9
    assert _share(rows["contradict"], "exact") <= 0.45


def _share(row: evaluate.Row, name: str) -> float:
    value = row[name]
    assert isinstance(value, dict)
    share = value["share"]
    assert isinstance(share, float)
    return share
