"""Starts a model from a checkpoint whose tokenizer may be another one; layers stay as they are.

A token's embedding is that of the same text in the other vocabulary: as it stands, with a space in
front, the mean of both where both exist, else the mean over the pieces that spell it there.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen3ForCausalLM

from tether.decoding.builtin.tokenizer import load_tokenizer

EMBEDDINGS = "model.embed_tokens.weight"
SPACE = "Ġ"
"""A space, as byte-level BPE writes it."""


def rows_of(token: str, known: dict[str, int], other: Tokenizer) -> list[int]:
    """Ids of the other vocabulary whose mean stands for `token`."""
    same = [known[name] for name in (token, SPACE + token) if name in known]
    if same:
        return same
    text = other.decoder.decode([token])
    pieces = other.encode(text, add_special_tokens=False).ids
    return pieces or [0]


def respelled(table: Tensor, tokenizer: Tokenizer, other: Tokenizer) -> Tensor:
    """Embeddings for `tokenizer`, made from those of `other`: float32 [vocab, width]."""
    known = other.get_vocab()
    names = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    means = [table[rows_of(name, known, other)].mean(0) for name, _ in names]
    return torch.stack(means)


def inherit(model: Qwen3ForCausalLM, tokenizer: Tokenizer, checkpoint: Path) -> None:
    """Gives `model` the weights of `checkpoint`, its embeddings respelled for `tokenizer`."""
    tensors = load_file(checkpoint / "model.safetensors")
    weights = {name: tensor.float() for name, tensor in tensors.items()}
    table, other = weights[EMBEDDINGS], load_tokenizer(checkpoint)
    weights[EMBEDDINGS] = respelled(table, tokenizer, other)
    model.load_state_dict(weights, strict=False)  # the head is tied: it has no tensor of its own
    model.tie_weights()
