"""Trains the 2,048-token byte-level BPE of the built-in model, and writes its two files.

A space is a token of its own, so a word, key, name or number has the same tokens after a space, a
quote, a colon or a bracket: copying is identity, for words never seen in training too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 2048
PAD, END = "<|pad|>", "<|end|>"
SPECIAL = [PAD, END, "<|doc|>", "<|json|>", "<|sparql|>", "<|ask|>", "<|out|>"]
WORDS = r"[a-z]+|[A-Z][a-z]+|[A-Z]|[0-9]|[^\sA-Za-z0-9]+|\s"
CONTEXT = 1024
# `fields` is the schema line, `documents` the passages; see tether.decoding.prompt.
CHAT_TEMPLATE = """\
{%- set passages = documents | default([], true) | map(attribute="text") | list -%}
{%- set text = messages[-1]["content"] -%}
{%- if fields -%}
<|doc|>{{ (passages + [text]) | select | join("\\n") }}<|json|>{{ fields }}<|out|>
{%- elif passages -%}
<|doc|>{{ passages | join("\\n") }}<|ask|>{{ text }}<|out|>
{%- else -%}
<|ask|>{{ text }}<|out|>
{%- endif -%}
"""


def train_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Tokenizer:
    """A byte-level BPE of `vocabulary` tokens; ids 0 to 6 are the special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "additional_special_tokens": SPECIAL[2:],
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer saved in `folder`."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))
