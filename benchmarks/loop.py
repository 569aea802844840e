"""Tokens a second of tether's loop against `model.generate`, unconstrained.

The same weights, prompts of different lengths, the same number of new tokens, greedy, no end token
on either side, so that nobody stops early. `generate` pads on the left and runs the batch as one;
the loop fills its slots row by row, prefill included. tether runs on its own forward ("lean") and
on the library's ("adapted"), at batch 1 and 16, on both models of subjects.py.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import schemas
import subjects
import torch
from rows import Rows, options, say
from schemas import Prompts
from subjects import Subject
from timing import Figures, Run, alternate, ratio, spreads

from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCHES = (1, 16)
_BUDGET_S = 25.0  # a case


def main() -> None:
    """Measure both subjects on the CPU."""
    chosen = options(__doc__)
    results = Rows("loop", quick=chosen.quick)
    for subject in subjects.at_hand([partial(subjects.shipped, chosen), subjects.random_130m]):
        num_tokens = 8 if chosen.quick else 256 if subject.small else 48
        measure(results, subject, num_tokens=num_tokens, quick=chosen.quick)


def measure(
    results: Rows, subject: Subject, *, num_tokens: int, quick: bool, device: str = "cpu"
) -> None:
    """Rows for one subject: each backend at each batch size, and `generate`."""
    for batch in BATCHES:
        say(f"loop: {subject.name}, batch {batch}")
        asked = prompts(subject, batch)
        rounds = alternate(
            contenders(subject, asked, num_tokens),
            repeats=2 if quick else 5,
            budget_s=_BUDGET_S,
            warm=contenders(subject, asked, 4),
        )
        for name, measured in rounds.items():
            against = ratio(measured, rounds["generate"], "tokens_per_s")
            results.add(
                {"model": subject.name, "batch": batch, "engine": name},
                spreads(measured),
                {} if name == "generate" else {f"{name}/generate tokens_per_s": against},
                device=device,
                settings=_settings(subject, asked, num_tokens),
            )


def contenders(subject: Subject, asked: Prompts, num_tokens: int) -> dict[str, Run]:
    """The library's loop, and tether's over its own forward and over the library's."""
    return {
        "generate": generate(subject.library, asked, num_tokens),
        "lean": loop(subject.lean, asked, num_tokens),
        "adapted": loop(subject.adapted, asked, num_tokens),
    }


def prompts(subject: Subject, count: int) -> Prompts:
    """Documents of docs/examples as prompts; for a model without text, random tokens instead."""
    if subject.tokenizer is not None:
        return [encode(subject.lean, Prompt(text)) for text in schemas.texts(count)]
    draw = torch.Generator().manual_seed(0)
    lengths = torch.randint(32, 96, (count,), generator=draw).tolist()
    size = subject.lean.vocabulary.size
    return [tuple(torch.randint(size, (n,), generator=draw).tolist()) for n in lengths]


def loop(model: Model, asked: Prompts, num_tokens: int) -> Run:
    """A run of tether's loop over these prompts; nothing ends a row but the limit."""
    loop = Loop(replace(model, end_ids=frozenset()), slots=len(asked))
    rows = [Request(str(i), prompt, max_tokens=num_tokens) for i, prompt in enumerate(asked)]

    def run() -> Figures:
        began = time.perf_counter()
        ended = list(loop.run(rows))
        wait(model.network.device)
        spent = time.perf_counter() - began
        assert all(len(row.tokens) == num_tokens for row in ended), "a row stopped early"
        # The row admitted last waits for no other: its steps are those of the whole batch.
        steps = [(r.stats.total_s - r.stats.first_token_s) / (num_tokens - 1) for r in ended]
        return {"tokens_per_s": len(rows) * num_tokens / spent, "step_ms": 1e3 * min(steps)}

    return run


def generate(model: PreTrainedModel, asked: Prompts, num_tokens: int) -> Run:
    """A run of the library's own loop over these prompts, padded on the left."""
    tokens, real = schemas.padded(asked, model.device)
    model.generation_config.eos_token_id = None

    def run() -> Figures:
        began = time.perf_counter()
        said = model.generate(
            input_ids=tokens, attention_mask=real, max_new_tokens=num_tokens, do_sample=False,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        wait(model.device)
        spent = time.perf_counter() - began
        assert said.shape[1] == tokens.shape[1] + num_tokens, "generate stopped early"
        return {"tokens_per_s": len(asked) * num_tokens / spent}

    return run


def wait(device: torch.device | str) -> None:
    """Until a GPU has done what it was given."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _settings(subject: Subject, asked: Prompts, num_tokens: int) -> dict[str, object]:
    return {
        "new_tokens": num_tokens,
        "prompt_tokens": [len(prompt) for prompt in asked],
        "threads": torch.get_num_threads(),
        "parameters": subject.lean.network.num_parameters,
        "dtype": str(subject.lean.network.dtype).removeprefix("torch."),
    }


if __name__ == "__main__":
    main()
