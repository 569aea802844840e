"""`decoding/step.choose` against transformers' processor chain for one token.

The chain: a boolean mask fills refused logits, then TemperatureLogitsWarper, TopKLogitsWarper,
TopPLogitsWarper, softmax and multinomial (sampled), or arg max (greedy). It gets its mask unpacked;
the step unpacks its bits itself, and also yields the margin, which the
chain does not compute. Inputs and settings come from tests/step_inputs.py, so speed is
measured on what truth is tested on. Before timing, both must choose the same greedy token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from rows import Rows, from_tests, options, say
from timing import Figures, alternate, ratio, seconds_each, spreads
from torch import Tensor

from tether.decoding import step
from tether.decoding.plan import Inputs, Plan

SHAPES = ((1, 2048), (16, 2048), (1, 131_072), (16, 131_072))
DENSITIES = (0.001, 0.3, None)
_TESTS = from_tests("step_inputs.py")
SETTINGS: dict[str, dict[str, float]] = {"greedy": _TESTS.SETTINGS[0], "top": _TESTS.SETTINGS[2]}


def main() -> None:
    """Measure on the CPU."""
    chosen = options(__doc__)
    measure(Rows("step", quick=chosen.quick), quick=chosen.quick)


def measure(results: Rows, *, quick: bool, device: str = "cpu") -> None:
    """A row for every shape, mask density and kind of sampling."""
    for shape in SHAPES:
        say(f"step: {list(shape)} on {device}")
        for density in DENSITIES:
            for name, settings in SETTINGS.items():
                case: dict[str, object] = {
                    "shape": list(shape),
                    "density": density,
                    "sampling": name,
                }
                _case(results, case, shape, density, settings, quick=quick, device=device)


def _case(
    results: Rows,
    case: dict[str, object],
    shape: tuple[int, int],
    density: float | None,
    settings: dict[str, float],
    *,
    quick: bool,
    device: str,
) -> None:
    plan, inputs, allowed = make(shape, density, settings, device)
    chain = library_chain(inputs.logits, allowed, settings)
    if not plan.sampled:
        assert torch.equal(step.choose(plan, inputs).token, chain()), "another token is chosen"
    calls = {"step": lambda: step.choose(plan, inputs).token, "transformers": chain}
    rounds = alternate(
        {name: _timed(call, device, 0.02 if quick else 0.15) for name, call in calls.items()},
        repeats=2 if quick else 5,
    )
    against = ratio(rounds["transformers"], rounds["step"], "us")
    for name, measured in rounds.items():
        ratios = {"transformers/step us": against} if name == "step" else {}
        route = step.route_for_testing(plan, inputs) if name == "step" else "chain"
        results.add(
            {**case, "engine": name},
            spreads(measured),
            ratios,
            device=device,
            settings={**settings, "route": route, "threads": torch.get_num_threads()},
        )


def make(
    shape: tuple[int, int], density: float | None, settings: dict[str, float], device: str
) -> tuple[Plan, Inputs, Tensor | None]:
    """Seeded inputs on `device`, and the mask as bool [rows, vocab] for the chain."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=draw) * 3
    allowed = None if density is None else torch.rand(shape, generator=draw) < density
    if allowed is not None:
        allowed[:, 7] = True  # a mask is never empty
    plan, inputs = _TESTS.make_inputs(logits, allowed, **settings)
    plan = replace(plan, measured=False)  # as the loop asks for it, and as the chain gives it
    fields = {name: getattr(inputs, name) for name in Inputs.__slots__}
    moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in fields.items()}
    return plan, Inputs(**moved), None if allowed is None else allowed.to(device)


def library_chain(
    logits: Tensor, allowed: Tensor | None, settings: dict[str, float]
) -> Callable[[], Tensor]:
    """One token a row as `model.generate` chooses it with these processors."""
    import transformers as library

    warpers = [
        library.TemperatureLogitsWarper(settings["temperature"]),
        library.TopKLogitsWarper(int(settings["top_k"])),
        library.TopPLogitsWarper(settings["top_p"]),
        library.MinPLogitsWarper(settings["min_p"]),
    ] if settings else []  # fmt: skip
    no_ids = torch.empty((logits.shape[0], 0), dtype=torch.long, device=logits.device)

    def call() -> Tensor:
        scores = logits if allowed is None else logits.masked_fill(~allowed, -torch.inf)
        for warper in warpers:
            scores = warper(no_ids, scores)
        if not warpers:
            return scores.argmax(dim=1)
        return torch.multinomial(torch.softmax(scores, dim=1), 1)[:, 0]

    return call


def _timed(call: Callable[[], Tensor], device: str, least_s: float) -> Callable[[], Figures]:
    def once() -> list[int]:
        tokens: list[int] = call().tolist()  # the loop waits for the ids too, also on a GPU
        return tokens

    def run() -> Figures:
        return {"us": 1e6 * seconds_each(once, least_s)}

    return run


if __name__ == "__main__":
    main()
