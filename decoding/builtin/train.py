"""Trains the built-in model: `python -m tether.decoding.builtin.train --out DIR`.

Everything follows from `--tokens` and `--seed`, and from the checkpoint named by `--start`, if any;
nothing depends on time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import tokenizers
import torch
import transformers
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import Qwen3Config, Qwen3ForCausalLM

from tether.decoding.builtin.batches import Batch, pool
from tether.decoding.builtin.checkpoint import (
    WEIGHTS,
    export,
    load_state,
    load_weights,
    save_state,
)
from tether.decoding.builtin.generator.mix import tokenizer_texts
from tether.decoding.builtin.generator.wordings import wordings_digest
from tether.decoding.builtin.optimiser import optimisers, rate, set_rate
from tether.decoding.builtin.tokenizer import (
    CONTEXT,
    load_tokenizer,
    save_tokenizer,
    train_tokenizer,
)

LAYERS, WIDTH, HEADS, HEAD_WIDTH, INNER = 6, 160, 5, 32, 416
SAVE_EVERY = 2_000_000
LOG_EVERY = 100
CLIP = 1.0


def make_model(vocabulary: int, layers: int = LAYERS, width: int = WIDTH) -> Qwen3ForCausalLM:
    """A fresh model of the shape that its card tells; ids of pad and end are 0 and 1."""
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=INNER * width // WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=width // HEAD_WIDTH,
        num_key_value_heads=width // HEAD_WIDTH,
        head_dim=HEAD_WIDTH,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        attn_implementation="eager",  # written out: twice as fast as SDPA in bfloat16 on CPUs
    )
    return Qwen3ForCausalLM(config)


def answer_loss(model: Qwen3ForCausalLM, batch: Batch, *, half: bool = False) -> torch.Tensor:
    """Mean cross-entropy over answer tokens; logits only there: [answers, vocab].

    `half` multiplies in bfloat16 (autocast); weights, sums and the loss stay float32.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1)[batch.places])
    return functional.cross_entropy(logits.float(), batch.targets)


@dataclass(frozen=True, slots=True)
class Origin:
    """A checkpoint to start from, and how many tokens it has seen: the plan goes on there."""

    checkpoint: Path
    seen: int

    def as_json(self) -> dict[str, str | int]:
        """The weights' digest and the tokens, for the settings of the run."""
        weights = (self.checkpoint / WEIGHTS).read_bytes()
        return {"start_sha256": hashlib.sha256(weights).hexdigest(), "seen": self.seen}


@dataclass(slots=True)
class Run:
    """A training run: what is saved, and what is only measured since the last log line."""

    model: Qwen3ForCausalLM
    tokenizer: Tokenizer
    out: Path
    total: int
    rng: random.Random
    half: bool = False
    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    tokens: int = 0
    step: int = 0
    cpu: float = 0.0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Makes the optimisers."""
        self.optimizers = optimisers(self.model)

    @property
    def progress(self) -> float:
        """Tokens seen as a share of all."""
        return self.tokens / self.total

    def learn(self, batch: Batch) -> None:
        """One step on one batch."""
        set_rate(self.optimizers, rate(self.progress, self.step))
        loss = answer_loss(self.model, batch, half=self.half)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.tokens += batch.ids.numel()
        self.step += 1
        self.losses.append(loss.item())


def log(run: Run, since: tuple[float, int]) -> None:
    """Adds a line to log.jsonl and prints it."""
    seconds = max(1e-9, time.perf_counter() - since[0])
    line = {
        "step": run.step,
        "tokens": run.tokens,
        "loss": round(sum(run.losses) / max(1, len(run.losses)), 4),
        "tokens_per_second": round((run.tokens - since[1]) / seconds),
        "cpu_minutes": round((run.cpu + time.process_time()) / 60, 2),
    }
    run.losses.clear()
    with (run.out / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def train(run: Run) -> None:
    """Trains to `run.total` tokens; saves at pool borders, every 2 M tokens and at the end."""
    run.model.train()
    since = (time.perf_counter(), run.tokens)
    while run.tokens < run.total:
        before = run.tokens
        for batch in pool(run.rng, run.tokenizer, run.progress):
            run.learn(batch)
            if run.step % LOG_EVERY == 0:
                log(run, since)
                since = (time.perf_counter(), run.tokens)
        if before // SAVE_EVERY != run.tokens // SAVE_EVERY:
            save(run)
    log(run, since)
    save(run)
    export(run.model, run.tokenizer, run.out / "model")


def save(run: Run) -> None:
    """Writes the resumable state, and a checkpoint that others can already use."""
    numbers = {"tokens": run.tokens, "step": run.step, "cpu": run.cpu + time.process_time()}
    save_state(run.out, run.model, run.optimizers, run.rng, numbers)
    export(run.model, run.tokenizer, run.out / "checkpoints" / f"{run.tokens // 1_000_000:03d}M")


def settings(total: int, seed: int) -> dict[str, str | int]:
    """What a run follows from: length, seed, versions, and the digest of the wording tables."""
    return {
        "tokens": total,
        "seed": seed,
        "wordings_sha256": wordings_digest(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
    }


def start(
    out: Path,
    total: int,
    seed: int,
    *,
    resume: bool,
    half: bool = False,
    origin: Origin | None = None,
) -> Run:
    """A new run (tokenizer trained, or both it and the weights from `origin`), or the saved one."""
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    if not (resume and (out / "tokenizer.json").exists()):
        texts = tokenizer_texts(random.Random(seed))
        made = load_tokenizer(origin.checkpoint) if origin else train_tokenizer(texts)
        save_tokenizer(made, out)
    tokenizer = load_tokenizer(out)
    facts = settings(total, seed) | (origin.as_json() if origin else {})
    (out / "settings.json").write_text(json.dumps(facts, indent=2) + "\n")
    model = make_model(tokenizer.get_vocab_size())
    run = Run(model, tokenizer, out, total, random.Random(seed + 1), half)
    if origin:
        load_weights(model, origin.checkpoint)
        run.tokens = origin.seen
    if resume:
        numbers = load_state(out, run.model, run.optimizers, run.rng)
        run.tokens, run.step, run.cpu = int(numbers["tokens"]), int(numbers["step"]), numbers["cpu"]
    return run


def main() -> None:
    """Reads the flags and trains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=136_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", type=Path, help="a checkpoint to start from; see --seen")
    parser.add_argument("--seen", type=int, default=0, help="tokens that checkpoint has seen")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--bfloat16", action="store_true", help="faster where the CPU has it")
    parser.add_argument("--compile", action="store_true", help="a quarter faster; needs g++")
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    torch.set_flush_denormal(True)
    origin = Origin(flags.start, flags.seen) if flags.start else None
    run = start(
        flags.out,
        flags.tokens,
        flags.seed,
        resume=flags.resume,
        half=flags.bfloat16,
        origin=origin,
    )
    if flags.compile:
        for layer in run.model.model.layers:
            layer.compile(dynamic=True)
    train(run)


if __name__ == "__main__":
    main()
