"""CPU time of one bare decode step, forward and head: tether's own forward beside the library's.

The same weights, 128 columns held before, one token a row, batch 1 and 16. `lean` is what runs by
default; `static` the same in static shapes (what `--compile` captures or compiles); `bfloat16` the
same weights rounded; `library` transformers' modules behind tether's slots. With `--compiled`, the
static step through torch.compile too, whose compilation takes minutes.
"""

from __future__ import annotations

import copy
import time
from functools import partial

import subjects
import torch
from rows import Options, Rows, parser, say
from subjects import Subject
from timing import Run, alternate, ratio, spreads

from tether.decoding.cache import SlotCache
from tether.decoding.models.base import Network
from tether.decoding.models.lean import LeanNetwork
from tether.decoding.models.static import Hold, StaticStep, compiled

BATCHES = (1, 16)
_HELD = 128


def main() -> None:
    """Measure both subjects."""
    shared = parser(__doc__)
    shared.add_argument("--compiled", action="store_true", help="compile the small model as well")
    given = shared.parse_args()
    chosen = Options(quick=given.quick, model=given.model)
    results = Rows("forward", quick=chosen.quick)
    for subject in subjects.at_hand([partial(subjects.shipped, chosen), subjects.random_130m]):
        with_compiled = given.compiled and subject.small
        measure(results, subject, quick=chosen.quick, with_compiled=with_compiled)


def measure(results: Rows, subject: Subject, *, quick: bool, with_compiled: bool) -> None:
    """Rows of one subject."""
    steps = 2 if quick else 100 if subject.small else 4
    for batch in BATCHES:
        say(f"forward: {subject.name}, batch {batch}")
        networks = contenders(subject, with_compiled=with_compiled)
        runs = {name: run(network, batch, steps) for name, network in networks.items()}
        rounds = alternate(runs, repeats=2 if quick else 7, budget_s=60.0)
        for name, measured in rounds.items():
            against = ratio(measured, rounds["library"], "cpu_ms")
            results.add(
                {"model": subject.name, "batch": batch, "forward": name},
                spreads(measured),
                {} if name == "library" else {f"{name}/library cpu_ms": against},
                settings={
                    "held": _HELD,
                    "threads": torch.get_num_threads(),
                    "parameters": subject.lean.network.num_parameters,
                },
            )


def contenders(subject: Subject, *, with_compiled: bool) -> dict[str, Network]:
    """The same weights, some ways."""
    lean = subject.lean.network
    assert isinstance(lean, LeanNetwork), "subjects are of its families"
    found: dict[str, Network] = {
        "library": subject.adapted.network,
        "lean": lean,
        "static": _static(lean, lambda step: step),
        "bfloat16": _rounded(subject),
    }
    if with_compiled:
        found["compiled"] = _static(lean, compiled)
    return found


def _rounded(subject: Subject) -> LeanNetwork:
    """The subject's weights in bfloat16."""
    weights = dict(subject.library.state_dict())
    if subject.config.get("tie_word_embeddings"):
        weights.pop("lm_head.weight", None)
    return LeanNetwork(subject.config, weights, device=torch.device("cpu"), dtype=torch.bfloat16)


def _static(lean: LeanNetwork, hold: Hold) -> LeanNetwork:
    own = copy.copy(lean)
    own.static = StaticStep(lean.stack, hold)
    return own


def run(network: Network, batch: int, steps: int) -> Run:
    """A run of some steps from the same place."""
    cache = SlotCache(network.num_layers, batch)
    _fed(network, cache, torch.ones(batch, _HELD, dtype=torch.int64))

    def some() -> dict[str, float]:
        cache.lengths = [_HELD] * batch
        began = time.process_time()
        for _ in range(steps):
            network.head(_fed(network, cache, torch.ones(batch, 1, dtype=torch.int64)))
        return {"cpu_ms": 1e3 * (time.process_time() - began) / steps}

    return some


def _fed(network: Network, cache: SlotCache, tokens: torch.Tensor) -> torch.Tensor:
    counts = [tokens.shape[1]] * len(tokens)
    window = cache.window(0, counts, device=network.device, dtype=network.dtype)
    found = network.forward(tokens, cache, window)
    cache.commit(window)
    return found


if __name__ == "__main__":
    main()
