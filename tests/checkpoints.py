"""Random checkpoints with a byte-level tokenizer of their own, written as plain files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WORDS = [
    "th",
    "he",
    "in",
    "an",
    "or",
    "the",
    " the",
    "and",
    '":"',
    '","',
    '{"',
    '"}',
    "ok",
    "true",
    "false",
    "tr",
    "fal",
    "se",
    "ue",
    "id",
    "entifier",
    "10",
    "20",
]


def save_tokenizer(directory: Path) -> int:
    """Write tokenizer.json (256 bytes, some merges, one end token); return its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=320,
        special_tokens=["<end>", "<pad>"],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(WORDS * 4, trainer)
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end>"}))
    return int(tokenizer.get_vocab_size())


def save_checkpoint(directory: Path, kind: str, seed: int = 0, **overrides: Any) -> None:
    """Write a random checkpoint of one architecture with `save_tokenizer`'s vocabulary."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM

    vocab = save_tokenizer(directory)
    shape: dict[str, Any] = {
        "vocab_size": vocab,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 160,
        "eos_token_id": 0,
    }
    if kind == "gpt2":
        config: Any = transformers.GPT2Config(
            vocab_size=vocab, n_embd=32, n_layer=2, n_head=4, n_positions=160, eos_token_id=0
        )
    else:
        family = {
            "llama": "LlamaConfig",
            "qwen2": "Qwen2Config",
            "qwen3": "Qwen3Config",
            "mistral": "MistralConfig",
        }[kind]
        if kind == "mistral":
            shape["sliding_window"] = None
        config = getattr(transformers, family)(**{**shape, **overrides})
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(config).save_pretrained(directory)
