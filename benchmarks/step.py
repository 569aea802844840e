"""`decoding/step.choose` against transformers' processor chain for one token.

The chain: a boolean mask fills refused logits, then TemperatureLogitsWarper, TopKLogitsWarper,
TopPLogitsWarper, MinPLogitsWarper (those that are set), softmax and multinomial (sampled), or arg
max (greedy). It gets its mask unpacked; the step unpacks its bits itself. Masks are those of a JSON
schema: inside a string most tokens are allowed, between values a handful. Inputs come from
tests/step_inputs.py, so speed is measured on what truth is tested on. Before timing, both must
choose the same greedy token.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import numpy as np
import tekken
import torch
from facts import ROOT
from rows import Rows, Skipped, from_tests, options, say
from timing import Figures, alternate, ratio, seconds_each, spreads
from torch import Tensor

from tether.decoding import step
from tether.decoding.plan import Inputs, Plan
from tether.grammars import Vocabulary, json_schema

Place = Literal["string", "structure"]

SHAPES = ((1, 2048), (16, 2048), (1, 131_072), (16, 131_072))
MASKS: tuple[Place | None, ...] = ("structure", "string", None)
SETTINGS: dict[str, dict[str, float]] = {
    "greedy": {},
    "temperature": {"temperature": 0.7},
    "top_p": {"temperature": 0.7, "top_p": 0.9},
    "top": {"temperature": 0.7, "top_k": 50, "top_p": 0.9, "min_p": 0.05},
}
_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "open": {"type": "boolean"}},
    "required": ["name", "open"],
}
_TEXTS: dict[Place, str] = {"string": '{"name":"He', "structure": '{"name":"He","open":'}
_TESTS = from_tests("step_inputs.py")


def main() -> None:
    """Measure on the CPU."""
    chosen = options(__doc__)
    measure(Rows("step", quick=chosen.quick), quick=chosen.quick)


def measure(results: Rows, *, quick: bool, device: str = "cpu") -> None:
    """A row for every shape, mask and kind of sampling."""
    for shape in SHAPES:
        say(f"step: {list(shape)} on {device}")
        for place in MASKS:
            for name, settings in SETTINGS.items():
                case: dict[str, object] = {"shape": list(shape), "mask": place, "sampling": name}
                try:
                    _case(results, case, shape, place, settings, quick=quick, device=device)
                except Skipped as reason:
                    results.add(case, device=device, note=str(reason))


def _case(
    results: Rows,
    case: dict[str, object],
    shape: tuple[int, int],
    place: Place | None,
    settings: dict[str, float],
    *,
    quick: bool,
    device: str,
) -> None:
    plan, inputs, allowed = make(shape, place, settings, device)
    chain = library_chain(inputs.logits, allowed, settings)
    if not plan.sampled:
        assert torch.equal(step.choose(plan, inputs).token, chain()), "another token is chosen"
    calls = {"step": lambda: step.choose(plan, inputs).token, "transformers": chain}
    rounds = alternate(
        {name: _timed(call, device, 0.01 if quick else 0.06) for name, call in calls.items()},
        repeats=2 if quick else 5,
    )
    against = ratio(rounds["transformers"], rounds["step"], "us")
    share = 1.0 if allowed is None else float(allowed[0].float().mean())
    for name, measured in rounds.items():
        ratios = {"transformers/step us": against} if name == "step" else {}
        route = step.route_for_testing(plan, inputs) if name == "step" else "chain"
        more = {"route": route, "allowed": share, "threads": torch.get_num_threads()}
        results.add(
            {**case, "engine": name},
            spreads(measured),
            ratios,
            device=device,
            settings={**settings, **more},
        )


def make(
    shape: tuple[int, int], place: Place | None, settings: dict[str, float], device: str
) -> tuple[Plan, Inputs, Tensor | None]:
    """Seeded inputs on `device`, and the mask as bool [rows, vocab] for the chain."""
    rows, vocab = shape
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3
    allowed = None if place is None else json_mask(vocab, place).expand(rows, -1).contiguous()
    plan, inputs = _TESTS.make_inputs(logits, allowed, **settings)
    plan = replace(plan, measured=False, margin=False)  # what the chain does not give either
    fields = {name: getattr(inputs, name) for name in Inputs.__slots__}
    moved: dict[str, Any] = {k: v.to(device) for k, v in fields.items() if isinstance(v, Tensor)}
    return plan, replace(inputs, **moved), None if allowed is None else allowed.to(device)


@cache
def json_mask(vocab: int, place: Place) -> Tensor:
    """Boolean [vocab]: what a JSON schema allows at a place, over a tokenizer of this size.

    Raises:
        Skipped: mistral-common, whose vocabulary is the large one, is not installed.
    """
    if vocab == tekken.SIZE:
        vocabulary = tekken.vocabulary()
    else:
        vocabulary = Vocabulary.from_file(ROOT / "decoding/builtin/model/tokenizer.json")
    matcher = json_schema(json.dumps(_SCHEMA), vocabulary).start()
    for token in vocabulary.encode(_TEXTS[place]):
        matcher.advance(token)
    words = np.empty(vocabulary.num_words, dtype=np.int32)
    matcher.fill_mask(words)
    bits = np.unpackbits(words.view(np.uint8), count=vocab, bitorder="little")
    return torch.from_numpy(bits.astype(np.bool_))


def library_chain(
    logits: Tensor, allowed: Tensor | None, settings: dict[str, float]
) -> Callable[[], Tensor]:
    """One token a row as `model.generate` chooses it with these settings."""
    import transformers as library

    makers: dict[str, Callable[[float], library.LogitsProcessor]] = {
        "temperature": library.TemperatureLogitsWarper,
        "top_k": lambda count: library.TopKLogitsWarper(int(count)),
        "top_p": library.TopPLogitsWarper,
        "min_p": library.MinPLogitsWarper,
    }
    warpers = [make(settings[name]) for name, make in makers.items() if name in settings]
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
