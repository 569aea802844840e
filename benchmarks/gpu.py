"""The step's kernels, the step and the loop on CUDA in bf16, against the memory's bandwidth.

`tests` runs the kernels' tests on the device first; `kernels` measures them beside the time that
their bytes take (kernels.py). `loop`: one token of a batch must read every weight once, and every
key and value held so far. That many bytes, over the copy bandwidth measured in the same run, is
the time no step can beat; `share_of_bound` is bound / measured step. Two random Llamas: 130M
weights (launches dominate) and 1.2B (weights dominate). Their tokens are bare numbers, so no
tokenizer is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import kernels
import torch
from facts import ROOT
from rows import Rows, parser, say
from timing import Figures, alternate, spread, spreads

if TYPE_CHECKING:
    from subjects import Subject

PARTS = ("tests", "kernels", "step", "loop")


def main() -> None:
    """Measure, or say why not."""
    shared = parser(__doc__)
    shared.add_argument("--device", default="cuda", help="cpu tries step and loop out, in float32")
    shared.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all by default")
    given = shared.parse_args()
    on_cpu = given.device == "cpu"
    if not on_cpu and not torch.cuda.is_available():
        say("gpu: there is no CUDA device here; nothing was measured.")
        return
    results = Rows("gpu", quick=given.quick)
    name = "cpu" if on_cpu else torch.cuda.get_device_name(given.device)
    copied = copy_bandwidth(given.device, quick=given.quick)
    results.add({"copy": name}, {"gb_per_s": spread(copied)}, device=name)
    if on_cpu:
        say("gpu: kernels and their tests are left out, as they need a CUDA device.")
    elif "tests" in given.parts:
        results.add({"tests": "kernels"}, run_tests(), device=name)
    if "kernels" in given.parts and not on_cpu:
        kernels.measure(results, max(copied), quick=given.quick, device=given.device, name=name)
    measure_the_rest(results, given.parts, max(copied), given.device, name, quick=given.quick)


def run_tests() -> dict[str, dict[str, float]]:
    """How many of the kernels' tests pass on the device, and how many do not."""
    tests = ROOT / "tests" / "decoding" / "test_kernels.py"
    environment = {**os.environ, "TETHER_TEST_ALL": "1", "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "4", str(tests)]  # most time compiles
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    say(done.stdout[-3000:])
    last = done.stdout.strip().splitlines()[-1:] or [""]
    words = last[0].replace(",", "").split()
    counts = dict(zip(words[1::2], words[::2], strict=False))
    return {name: spread([float(counts.get(name, 0))]) for name in ("passed", "failed", "skipped")}


def measure_the_rest(
    results: Rows, parts: tuple[str, ...], gb_per_s: float, device: str, name: str, *, quick: bool
) -> None:
    """The step beside transformers' chain, and the loop."""
    if "step" in parts:
        import step

        step.measure(results, quick=quick, device=device)
    if "loop" in parts:
        import loop
        import subjects

        for subject in subjects.at_hand(models(device, quick=quick)):
            tokens = 8 if quick else 256
            loop.measure(results, subject, quick=quick, num_tokens=tokens, device=device)
            for batch in loop.BATCHES:
                against_bound(results, subject, batch, tokens, gb_per_s, name)


def models(device: str, *, quick: bool) -> list[Callable[[], Subject]]:
    """What makes the two Llamas; the small one alone where it is quick."""
    import subjects
    import tekken

    large = {
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
    dtype = "float32" if device == "cpu" else "bfloat16"
    makers: list[Callable[[], Subject]] = [
        partial(subjects.random_130m, device=device, dtype=dtype, text=False)
    ]
    if not quick:
        make = partial(subjects.random_llama, "random-1.2b", large, device=device)
        makers.append(partial(make, tekken.numbers(), None, dtype=dtype))
    return makers


def copy_bandwidth(device: str, *, quick: bool) -> list[float]:
    """GB/s of device-to-device copies, bytes read and bytes written both counted."""
    size = (1 << 24) if quick else (1 << 31)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found = []
    for _ in range(2 if quick else 10):
        wait(device)
        began = time.perf_counter()
        target.copy_(source)
        wait(device)
        found.append(2 * size / (time.perf_counter() - began) / 1e9)
    return found[1:]  # the first one wakes the clocks


def wait(device: str) -> None:
    """Until the device has done all it was asked to."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def against_bound(
    results: Rows, subject: Subject, batch: int, num_tokens: int, gb_per_s: float, device: str
) -> None:
    """A row: the step of both backends beside the time its bytes take at copy speed."""
    import loop

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
