"""Batched greedy decoding for the evaluation, with optional llguidance masks. Nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import llguidance
import llguidance.numpy as masks
import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import DynamicCache, Qwen3ForCausalLM

from tether.decoding.builtin.tokenizer import END, PAD, load_tokenizer

ROWS = 24


@dataclass(frozen=True, slots=True)
class Decoder:
    """A checkpoint, computed in float32, with its tokenizer for text and for masks."""

    model: Qwen3ForCausalLM
    tokenizer: Tokenizer
    mask_tokenizer: llguidance.LLTokenizer
    end: int
    pad: int


def load_decoder(folder: Path) -> Decoder:
    """The checkpoint in `folder`, ready to decode."""
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = load_tokenizer(folder)
    end, pad = tokenizer.encode(END + PAD).ids
    mask_tokenizer = llguidance.LLTokenizer(tokenizer.to_str(), eos_token=end)
    return Decoder(model, tokenizer, mask_tokenizer, end, pad)


def left_padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and attention mask: int64 [rows, longest], text at the right end."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad, dtype=torch.long)
    seen = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(row)
        seen[i, longest - len(row) :] = 1
    return ids, seen


def constrain(
    decoder: Decoder, logits: Tensor, matchers: Sequence[llguidance.LLMatcher], done: Tensor
) -> None:
    """Forbids, in place, what the grammars do not allow: float32 [rows, vocab]."""
    bits = masks.allocate_token_bitmask(len(matchers), logits.shape[-1])
    bits[:] = -1
    for i, matcher in enumerate(matchers):
        if not done[i]:
            masks.fill_next_token_bitmask(matcher, bits, i)
    masks.apply_token_bitmask_inplace(logits.numpy(), np.asarray(bits))


@torch.inference_mode()
def greedy_batch(
    decoder: Decoder, prompts: Sequence[str], grammars: Sequence[str] | None, limit: int
) -> list[str]:
    """The greedy answers to one batch, each cut before `<|end|>` or at `limit` tokens."""
    rows = [decoder.tokenizer.encode(prompt).ids for prompt in prompts]
    ids, seen = left_padded(rows, decoder.pad)
    cache = DynamicCache(config=decoder.model.config)
    matchers = [llguidance.LLMatcher(decoder.mask_tokenizer, text) for text in grammars or ()]
    answers: list[list[int]] = [[] for _ in rows]
    done = torch.zeros(len(rows), dtype=torch.bool)
    places = (seen.cumsum(1) - 1).clamp(min=0)
    for _ in range(limit):
        out = decoder.model(input_ids=ids, attention_mask=seen, position_ids=places,
                            past_key_values=cache, use_cache=True, logits_to_keep=1)  # fmt: skip
        logits = out.logits[:, -1].float().contiguous()
        if matchers:
            constrain(decoder, logits, matchers, done)
        chosen = logits.argmax(-1)
        for i, token in enumerate(chosen.tolist()):
            if done[i]:
                continue
            if token == decoder.end or (matchers and not matchers[i].consume_token(token)):
                done[i] = True
            else:
                answers[i].append(token)
        if bool(done.all()):
            break
        ids = torch.where(done, decoder.pad, chosen)[:, None]
        seen = torch.cat([seen, torch.ones_like(ids)], 1)
        places = places[:, -1:] + 1
    return [decoder.tokenizer.decode(row, skip_special_tokens=False) for row in answers]


def greedy(
    decoder: Decoder, prompts: Sequence[str], grammars: Sequence[str] | None, limit: int
) -> list[str]:
    """The greedy answers, in the order of the prompts; batches hold prompts of like length."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers = [""] * len(prompts)
    for start in range(0, len(order), ROWS):
        part = order[start : start + ROWS]
        chosen = [grammars[i] for i in part] if grammars else None
        batch = greedy_batch(decoder, [prompts[i] for i in part], chosen, limit)
        for i, answer in zip(part, batch, strict=True):
            answers[i] = answer
    return answers
