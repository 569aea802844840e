"""Saves and loads a training state without pickle, and exports a plain Hugging Face checkpoint."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen3ForCausalLM

from tether.decoding.builtin.tokenizer import save_tokenizer

TENSORS, NUMBERS = "state.safetensors", "state.json"
WEIGHTS = "model.safetensors"


def _tensors(model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Weights as `model.NAME`, optimiser tensors as `optimizer.I.NAME.KEY`."""
    tensors = {f"model.{name}": param.data for name, param in model.named_parameters()}
    for i, optimizer in enumerate(optimizers):
        for name, param in model.named_parameters():
            for key, value in optimizer.state.get(param, {}).items():
                tensors[f"optimizer.{i}.{name}.{key}"] = value
    return tensors


def save_state(
    out: Path,
    model: torch.nn.Module,
    optimizers: list[torch.optim.Optimizer],
    rng: random.Random,
    numbers: dict[str, float],
) -> None:
    """Writes the state, tensors first; each file is replaced whole."""
    save_file(_tensors(model, optimizers), out / (TENSORS + ".new"))
    (out / (NUMBERS + ".new")).write_text(json.dumps({"rng": rng.getstate(), **numbers}))
    for name in (TENSORS, NUMBERS):
        os.replace(out / (name + ".new"), out / name)


def load_state(
    out: Path, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer], rng: random.Random
) -> dict[str, float]:
    """Restores weights, optimisers and `rng` in place; returns the numbers saved with them."""
    tensors = load_file(out / TENSORS)
    state = json.loads((out / NUMBERS).read_text())
    version, words, gauss = state.pop("rng")
    rng.setstate((version, tuple(words), gauss))
    for name, param in model.named_parameters():
        param.data.copy_(tensors[f"model.{name}"])
        for i, optimizer in enumerate(optimizers):
            front = f"optimizer.{i}.{name}."
            for key in [key for key in tensors if key.startswith(front)]:
                optimizer.state[param][key.removeprefix(front)] = tensors[key]
    return {key: float(value) for key, value in state.items()}


def export(model: Qwen3ForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes config.json, model.safetensors in bfloat16, and the tokenizer's files."""
    folder.mkdir(parents=True, exist_ok=True)
    half = copy.deepcopy(model).to(torch.bfloat16)
    half.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)


def load_weights(model: Qwen3ForCausalLM, folder: Path) -> None:
    """Gives `model` the weights of the checkpoint in `folder`, of the same tokenizer."""
    tensors = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    model.load_state_dict(tensors, strict=False)  # the head is tied: it has no tensor of its own
    model.tie_weights()
