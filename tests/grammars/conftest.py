"""Vocabularies that every test of this room can have without a file from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tether.grammars.vocabulary import Vocabulary

TEXTS = [
    'She said: "naïve café", then 12,345 people left – 你好 👋🏽\n\tline two  with   spaces',
    '{"name": "Ada", "age": 36, "tags": ["a", "b"], "note": null}',
    "def f(x):\n    return x + 1  # comment",
    " leading and trailing ",
]


@pytest.fixture(scope="session")
def byte_vocab() -> Vocabulary:
    """All bytes, a few longer tokens, two special tokens."""
    longer = [b'{"', b'":', b'"}', b"true", b"name", b"the", b" th", b"ab", b"abc", "é".encode()]
    tokens = [b"<eos>", *(bytes([i]) for i in range(256)), *longer, b"", b"<pad>"]
    return Vocabulary.from_tokens(tokens, eos_id=0, special_ids=[len(tokens) - 1])


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, and no constraints left from another test."""
    from tether.grammars.spec import forget_compiled

    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TETHER_CACHE_DIR", str(folder))
    forget_compiled()
    return folder


def gpt2_style() -> Tokenizer:
    """Byte-level BPE with GPT-2's own splitting."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return tokenizer


def llama3_style() -> Tokenizer:
    """Byte-level BPE behind a regex split, with special and ordinary added tokens."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    split = Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(split, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<|begin_of_text|>", "<|end_of_text|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    tokenizer.add_tokens(["<tool>", "  two spaces"])
    return tokenizer


def llama2_style() -> Tokenizer:
    """Sentencepiece BPE with byte fallback and a leading space."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    pieces += ["▁", *"abcdefghijklmnopqrstuvwxyz", "▁t", "th", "▁th", "he", "▁the", "▁▁"]
    merges = [("▁", "t"), ("t", "h"), ("▁t", "h"), ("h", "e"), ("▁th", "e"), ("▁", "▁")]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def unigram_style() -> Tokenizer:
    """Unigram with Metaspace, as in T5: no byte fallback."""
    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -2.0), ("▁the", -3.0), ("the", -3.5)]
    pieces += [(char, -5.0) for char in "abcdefghijklmnopqrstuvwxyz.,"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["</s>"])
    return tokenizer


BUILDERS: dict[str, tuple[Callable[[], Tokenizer], str]] = {
    "gpt2": (gpt2_style, "<|endoftext|>"),
    "llama3": (llama3_style, "<|end_of_text|>"),
    "llama2": (llama2_style, "</s>"),
    "unigram": (unigram_style, "</s>"),
}


@pytest.fixture(scope="session")
def tokenizer_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with a tokenizer.json and a tokenizer_config.json of each style."""
    folders = {}
    for name, (build, eos) in BUILDERS.items():
        folder = tmp_path_factory.mktemp(name)
        build().save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": eos}))
        folders[name] = folder
    return folders
