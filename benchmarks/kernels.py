"""The kernels of the step on a CUDA device, beside the time that their bytes take.

The bound: every mask word is read once, and every logit of a word with an allowed token (all of
them, and all of the views', where the plan needs sums over whole rows), at the copy bandwidth of
the same run. `us` is a call's time on the device, replayed from a CUDA graph that goes through
enough copies of the input that no cache holds them; `eager_us` is what a caller waits for, launches
and the ids' way back included. Contenders are called eagerly, and timed without the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import product
from typing import Any

import torch
from rows import Rows, from_tests, say
from timing import Figures, alternate, ratio, seconds_each, spread, spreads
from torch import Tensor

from tether.decoding import kernels
from tether.decoding.plan import Inputs, Plan
from tether.decoding.reference import unpack

SETTINGS: dict[str, dict[str, float]] = {
    "greedy": {},
    "temperature": {"temperature": 0.7},
    "top_p": {"temperature": 0.7, "top_p": 0.9},
    "top": {"temperature": 0.7, "top_k": 50, "top_p": 0.9, "min_p": 0.05},
}
_BEYOND_CACHES = 1 << 28  # bytes of input that a graph goes through
_TESTS = from_tests("step_inputs.py")

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured.

    Attributes:
        rows: How many.
        vocab: Tokens.
        views: Rows of logits that make up a choice, the model's own included.
        density: Share of allowed tokens; None is no mask.
        sampling: A name of SETTINGS.
    """

    rows: int
    vocab: int
    views: int
    density: float | None
    sampling: str = "greedy"


def cases(*, quick: bool) -> Iterable[Case]:
    """Sizes under a dense mask; densities at one size; kinds of sampling at two."""
    if quick:
        return (Case(4, 32_768, views, 0.9, name) for views, name in ((1, "top"), (2, "greedy")))
    sizes = product((1, 8, 64, 256), (32_768, 131_072, 262_144), (1, 2, 3), (0.9,))
    densities = product((64,), (131_072,), (1, 2, 3), (None, 0.3, 0.03, 0.003, 0.0003))
    chains = product((1, 64), (131_072,), (1,), (None, 0.9), list(SETTINGS)[1:])
    return (Case(*case) for group in (sizes, densities, chains) for case in group)


def measure(results: Rows, gb_per_s: float, *, quick: bool, device: str, name: str) -> None:
    """A row for every case, and one for each contender."""
    for case in cases(quick=quick):
        say(f"kernels: {case}")
        plan, copies = make(case, device)
        held = bytes_read(case, copies[0])
        bound_us = held / gb_per_s / 1e3
        calls: dict[str, Call] = contenders(case, copies[0])
        runs = {engine: _eager(call) for engine, call in calls.items()}
        runs = {"kernels": _graph(plan, copies), **runs}
        rounds = alternate(runs, repeats=2 if quick else 5, budget_s=10.0)
        shown = {field: getattr(case, field) for field in case.__slots__}
        for engine, measured in rounds.items():
            figures, ratios = spreads(measured), {}
            if engine == "kernels":
                waited = 1e6 * seconds_each(_waiting(plan, copies[0]), 0.02)
                figures |= {"bound_us": spread([bound_us]), "eager_us": spread([waited])}
                figures["share_of_bound"] = spread(bound_us / run["us"] for run in measured)
                ratios = {
                    f"{other}/kernels us": ratio(rounds[other], measured, "us") for other in calls
                }
            results.add(
                {**shown, "engine": engine},
                figures,
                ratios,
                device=name,
                settings={**SETTINGS[case.sampling], "bytes": held, "dtype": "bfloat16"},
            )


def make(case: Case, device: str) -> tuple[Plan, list[Inputs]]:
    """The plan, and the same inputs in as many places as go beyond the caches."""
    draw = torch.Generator(device).manual_seed(0)
    shape = (case.views, case.rows, case.vocab)
    settings: dict[str, Any] = SETTINGS[case.sampling]
    contrast, alpha = None, None
    logits = torch.randn(shape, generator=draw, device=device).mul_(3).to(torch.bfloat16)
    if case.views > 1:
        contrast = _TESTS.make_contrast(logits[1:], [-0.5] * (case.views - 1), own=0.5)
        alpha = 0.1
    plan, inputs = _TESTS.make_inputs(logits[0], contrast=contrast, alpha=alpha, **settings)
    inputs = replace(_moved(inputs, device), mask=mask(case, device))
    count = min(64, max(1, _BEYOND_CACHES // logits.nbytes))
    return replace(plan, measured=False), [_copied(inputs) for _ in range(count)]


def mask(case: Case, device: str) -> Tensor | None:
    """Random bits, int32 [rows, words]; the rows have the same, turned round."""
    if case.density is None:
        return None
    allowed = torch.rand(1, case.vocab, generator=torch.Generator().manual_seed(1)) < case.density
    allowed[0, 7] = True  # a mask is never empty
    words = _TESTS.pack(allowed)[0]
    return torch.stack([words.roll(997 * row) for row in range(case.rows)]).to(device)


def bytes_read(case: Case, inputs: Inputs) -> int:
    """What a step cannot do without reading, in bytes."""
    whole = case.rows * case.vocab * inputs.logits.itemsize
    if case.views > 1:  # views are compared as log-probabilities: their sums are over all tokens
        return case.views * whole + (0 if inputs.mask is None else inputs.mask.nbytes)
    if inputs.mask is None:
        return whole
    open_words = int((inputs.mask != 0).sum())
    return open_words * 32 * inputs.logits.itemsize + inputs.mask.nbytes


def contenders(case: Case, inputs: Inputs) -> dict[str, Call]:
    """Who else can do this: transformers without views, flashinfer without views or a mask."""
    calls: dict[str, Call] = {}
    if case.views > 1:
        return calls
    if case.rows * case.vocab <= 1 << 23:
        try:
            calls["transformers"] = _transformers(case, inputs)
        except ImportError as missing:
            say(f"kernels: transformers is left out: {missing}")
    if find_spec("flashinfer") is not None and inputs.mask is None:
        calls |= _flashinfer(case, inputs.logits)
    return calls


def _transformers(case: Case, inputs: Inputs) -> Call:
    from step import library_chain

    allowed = None if inputs.mask is None else unpack(inputs.mask, case.vocab)
    return library_chain(inputs.logits, allowed, SETTINGS[case.sampling])


def _flashinfer(case: Case, logits: Tensor) -> dict[str, Call]:
    from flashinfer import sampling

    settings = SETTINGS[case.sampling]

    def call() -> object:
        scores = logits.float() / settings["temperature"]
        if case.sampling == "temperature":
            return sampling.sampling_from_logits(scores)
        probabilities = torch.softmax(scores, dim=1)
        if case.sampling == "top_p":
            return sampling.top_p_sampling_from_probs(probabilities, settings["top_p"])
        top_k, top_p = int(settings["top_k"]), settings["top_p"]  # it has no min-p beside these
        return sampling.top_k_top_p_sampling_from_probs(probabilities, top_k, top_p)

    return {"flashinfer": call} if settings else {}


def _graph(plan: Plan, copies: list[Inputs]) -> Callable[[], Figures]:
    """Replays of one call for each copy."""
    beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        kernels.choose(plan, copies[0])  # compiles, which a capture must not
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for inputs in copies:
            kernels.choose(plan, inputs)

    def run() -> Figures:
        return {"us": _device_us(graph.replay) / len(copies)}

    return run


def _eager(call: Call) -> Callable[[], Figures]:
    return lambda: {"us": _device_us(call)}


def _waiting(plan: Plan, inputs: Inputs) -> Call:
    return lambda: kernels.choose(plan, inputs).token.tolist()


def _device_us(call: Call, least_ms: float = 20.0) -> float:
    """Microseconds of a call, over as many back to back as fill `least_ms`."""
    call()
    began = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    ended = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    count = 1
    while True:
        began.record()
        for _ in range(count):
            call()
        ended.record()
        ended.synchronize()
        spent: float = began.elapsed_time(ended)
        if spent >= least_ms:
            return 1e3 * spent / count
        count *= 2


def _moved(inputs: Inputs, device: str) -> Inputs:
    """On the device, with the knobs in the types that the loop gives them."""
    fields = {field: getattr(inputs, field) for field in inputs.__slots__}
    moved: dict[str, Any] = {k: v.to(device) for k, v in fields.items() if isinstance(v, Tensor)}
    if inputs.head is not None:
        moved["head"] = moved["head"].float()
    if inputs.contrast is not None:
        knobs = {k: getattr(inputs.contrast, k).float() for k in ("weights", "base", "own")}
        on_device = {name: knob.contiguous().to(device) for name, knob in knobs.items()}
        moved["contrast"] = replace(inputs.contrast, **on_device)
    return replace(inputs, **moved)


def _copied(inputs: Inputs) -> Inputs:
    """With logits, views and mask in another place."""
    contrast = inputs.contrast
    if contrast is not None:
        contrast = replace(contrast, views=contrast.views.clone())
    bits = None if inputs.mask is None else inputs.mask.clone()
    return replace(inputs, logits=inputs.logits.clone(), mask=bits, contrast=contrast)
