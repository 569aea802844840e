"""The loop and the step on CUDA in bf16, and a decode step against the memory's bandwidth.

One token of a batch must read every weight once, and every key and value held so far. That many
bytes, over the copy bandwidth measured in the same run, is the time no step can beat;
`share_of_bound` is bound / measured step. Two random Llamas: 130M weights (launches dominate) and
1.2B (weights dominate). Their tokens are bare numbers, so no tokenizer is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import loop
import step
import subjects
import tekken
import torch
from rows import Rows, parser, say
from subjects import Subject
from timing import Figures, alternate, spread, spreads

_LARGE = {
    "vocab_size": tekken.SIZE,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "eos_token_id": 2,
}


def main() -> None:
    """Measure, or say why not."""
    shared = parser(__doc__)
    shared.add_argument("--device", default="cuda", help="cpu tries the script out, in float32")
    given = shared.parse_args()
    if given.device != "cpu" and not torch.cuda.is_available():
        say("gpu: there is no CUDA device here; nothing was measured.")
        return
    results = Rows("gpu", quick=given.quick)
    dtype = "float32" if given.device == "cpu" else "bfloat16"
    name = "cpu" if given.device == "cpu" else torch.cuda.get_device_name(given.device)
    copied = copy_bandwidth(given.device, quick=given.quick)
    results.add({"copy": name}, {"gb_per_s": spread(copied)}, device=name)
    step.measure(results, quick=given.quick, device=given.device)
    makers = [partial(subjects.random_130m, device=given.device, dtype=dtype, text=False)]
    if not given.quick:
        large = partial(subjects.random_llama, "random-1.2b", _LARGE, device=given.device)
        makers.append(partial(large, tekken.numbers(), None, dtype=dtype))
    for subject in subjects.at_hand(makers):
        tokens = 8 if given.quick else 256
        loop.measure(results, subject, quick=given.quick, num_tokens=tokens, device=given.device)
        for batch in loop.BATCHES:
            against_bound(results, subject, batch, tokens, max(copied), name)


def copy_bandwidth(device: str, *, quick: bool) -> list[float]:
    """GB/s of device-to-device copies, bytes read and bytes written both counted."""
    size = (1 << 24) if quick else (1 << 31)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found = []
    for _ in range(2 if quick else 10):
        loop.wait(device)
        began = time.perf_counter()
        target.copy_(source)
        loop.wait(device)
        found.append(2 * size / (time.perf_counter() - began) / 1e9)
    return found[1:]  # the first one wakes the clocks


def against_bound(
    results: Rows, subject: Subject, batch: int, num_tokens: int, gb_per_s: float, device: str
) -> None:
    """A row: the step of both backends beside the time its bytes take at copy speed."""
    asked = loop.prompts(subject, batch)
    runs: dict[str, Callable[[], Figures]] = {
        "lean": loop.loop(subject.lean, asked, num_tokens),
        "adapted": loop.loop(subject.adapted, asked, num_tokens),
    }
    held = sum(len(prompt) for prompt in asked) + batch * num_tokens / 2  # half-way through
    weights, cached = bytes_read(subject.config, subject.lean.network, held)
    bound_ms = (weights + cached) / gb_per_s / 1e6
    for name, measured in alternate(runs, repeats=3, budget_s=30.0).items():
        shares = {"share_of_bound": spread(bound_ms / run["step_ms"] for run in measured)}
        results.add(
            {"model": subject.name, "batch": batch, "engine": name, "bound": "memory"},
            {**spreads(measured), "bound_ms": spread([bound_ms]), **shares},
            device=device,
            settings={"weight_bytes": weights, "cache_bytes": cached, "new_tokens": num_tokens},
        )


def bytes_read(config: dict[str, Any], network: Any, held: float) -> tuple[int, int]:  # noqa: ANN401
    """Bytes of weights and of `held` tokens' keys and values that one step reads.

    A tied embedding is read once, as the head; an untied one is looked up and hardly counts.
    """
    size = network.dtype.itemsize
    weights = network.num_parameters
    if not config["tie_word_embeddings"]:
        weights -= config["vocab_size"] * config["hidden_size"]
    width = config["hidden_size"] // config["num_attention_heads"]
    entry = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * width
    return weights * size, int(held * entry) * size


if __name__ == "__main__":
    main()
