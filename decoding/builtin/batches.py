"""Length-bucketed training batches, made on the fly from one seeded stream."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from tether.decoding.builtin.generator.mix import make_example

POOL = 640
SMALL, LARGE = 2048, 4096
SMALL_UNTIL = 0.25
LONGEST = 448


@dataclass(frozen=True, slots=True)
class Batch:
    """Right-padded rows.

    `ids`: int64 [rows, length]; `places`: int64 [answers], flat positions whose next token is
    part of an answer; `targets`: int64 [answers], those next tokens.
    """

    ids: Tensor
    places: Tensor
    targets: Tensor


Row = tuple[list[int], int]
"""Token ids of a document, and where its answer begins."""


def encode_rows(tokenizer: Tokenizer, pairs: list[tuple[str, str]]) -> list[Row]:
    """Prompts and answers as rows; those over 448 tokens are dropped."""
    prompts = tokenizer.encode_batch_fast([prompt for prompt, _ in pairs])
    answers = tokenizer.encode_batch_fast([answer for _, answer in pairs])
    rows = [(p.ids + a.ids, len(p.ids)) for p, a in zip(prompts, answers, strict=True)]
    return [row for row in rows if len(row[0]) <= LONGEST]


def collate(rows: list[Row]) -> Batch:
    """One batch of rows."""
    length = max(len(ids) for ids, _ in rows)
    padded = torch.zeros(len(rows), length, dtype=torch.long)
    places: list[int] = []
    targets: list[int] = []
    for i, (ids, start) in enumerate(rows):
        padded[i, : len(ids)] = torch.tensor(ids)
        places.extend(range(i * length + start - 1, i * length + len(ids) - 1))
        targets.extend(ids[start:])
    return Batch(padded, torch.tensor(places), torch.tensor(targets))


def cut(rows: list[Row], most: int) -> list[list[Row]]:
    """Rows sorted by length, cut into runs of at most `most` padded tokens."""
    runs: list[list[Row]] = []
    current: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row[0])):
        if current and (len(current) + 1) * len(row[0]) > most:
            runs.append(current)
            current = []
        current.append(row)
    return [*runs, current] if current else runs


def pool(rng: random.Random, tokenizer: Tokenizer, progress: float) -> list[Batch]:
    """640 fresh documents as batches in random order; same `rng` state, same batches."""
    examples = [make_example(rng, progress) for _ in range(POOL)]
    rows = encode_rows(tokenizer, [(example.prompt, example.answer) for example in examples])
    runs = cut(rows, SMALL if progress < SMALL_UNTIL else LARGE)
    rng.shuffle(runs)
    return [collate(run) for run in runs]
