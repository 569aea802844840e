"""Mask before head: what is saved when the LM head is multiplied for the allowed tokens alone.

Two questions. `product`: one step's logits, computed whole and by the rule of `decoding/head.py`,
where all rows may say the same share of the vocabulary; its constants come from here. `loop`:
tokens a second under a JSON schema, with the rule and without, against free text of as many tokens
from the same prompts.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import loop
import schemas
import subjects
import torch
from rows import Rows, from_tests, options, say
from subjects import Subject
from timing import Figures, Rounds, Run, alternate, ratio, seconds_each, spreads

from tether.decoding.head import step_logits
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Request
from tether.grammars.constraint import Constraint
from tether.grammars.json_schema import Bounds, json_schema

_PARTS = (4096, 64, 16, 8, 4)  # one token in so many is allowed
_MAX_TOKENS = 64
_BUDGET_S = 12.0  # a case


def main() -> None:
    """Measure both subjects on the CPU."""
    chosen = options(__doc__)
    results = Rows("head", quick=chosen.quick)
    for subject in subjects.at_hand([partial(subjects.shipped, chosen), subjects.random_130m]):
        _products(results, subject, quick=chosen.quick)
        for name, batch in _plan(subject, quick=chosen.quick):
            _loop(results, subject, name, batch, quick=chosen.quick)


def _plan(subject: Subject, *, quick: bool) -> list[tuple[str, int]]:
    """Schemas and batch sizes; the large model on less, for time."""
    if quick:
        return [("flags", 1)]
    alone = [(name, 1) for name in ("flags", "order", "person")]
    together = [(name, 16) for name, _ in alone] if subject.small else [("flags", 16)]
    return alone + together


def without_rule(model: Model) -> Model:
    """The same model; its head always runs whole."""
    network = copy.copy(model.network)
    network.head_width = 0
    return replace(model, network=network)


def _products(results: Rows, subject: Subject, *, quick: bool) -> None:
    pack = from_tests("step_inputs.py").pack
    network, draw = subject.lean.network, torch.Generator().manual_seed(0)
    for batch in loop.BATCHES:
        say(f"head: {subject.name}, products, batch {batch}")
        hidden = torch.randn(batch, network.head_width, generator=draw)
        for part in _PARTS:
            allowed = torch.zeros(batch, network.head_size, dtype=torch.bool)
            few = torch.randperm(network.head_size, generator=draw)[: -(-network.head_size // part)]
            allowed[:, few] = True
            masks = pack(allowed)
            rounds = alternate(
                {
                    name: partial(_product, model, hidden, masks)
                    for name, model in _both(subject.lean).items()
                },
                repeats=2 if quick else 5,
            )
            case = {"question": "product", "model": subject.name, "batch": batch}
            _write(results, {**case, "allowed": f"1/{part}"}, rounds, "calls_per_s", "whole")


def _product(model: Model, hidden: torch.Tensor, masks: torch.Tensor) -> Figures:
    call = partial(step_logits, model.network, hidden, masks)
    return {"calls_per_s": 1 / seconds_each(call)}


def _loop(results: Rows, subject: Subject, schema: str, batch: int, *, quick: bool) -> None:
    model = subject.lean
    constraint = json_schema(schemas.named(schema), model.vocabulary, bounds=Bounds())
    say(f"head: {subject.name}, {schema}, batch {batch}")
    held = _requests(loop.prompts(subject, batch), constraint)
    counts = {row.key: row.stats.output_tokens for row in Loop(model).run(held)}
    free = [replace(row, constraint=None, max_tokens=counts[row.key]) for row in held]
    runs = {name: _timed(it, held) for name, it in _both(model).items()}
    runs["free"] = _timed(replace(model, end_ids=frozenset()), free)
    rounds = alternate(runs, repeats=2 if quick else 5, budget_s=_BUDGET_S)
    case = {"question": "loop", "model": subject.name, "schema": schema, "batch": batch}
    _write(results, case, rounds, "tokens_per_s", "free")


def _both(model: Model) -> dict[str, Model]:
    return {"rule": model, "whole": without_rule(model)}


def _requests(prompts: Sequence[tuple[int, ...]], constraint: Constraint) -> list[Request]:
    return [
        Request(str(number), prompt, constraint, max_tokens=_MAX_TOKENS)
        for number, prompt in enumerate(prompts)
    ]


def _timed(model: Model, rows: Sequence[Request]) -> Run:
    decoder = Loop(model, slots=len(rows))

    def run() -> Figures:
        began = time.perf_counter()
        ended = list(decoder.run(rows))
        spent = time.perf_counter() - began
        count = sum(row.stats.output_tokens for row in ended)
        assert count, "the limit leaves no room for an answer"
        return {
            "tokens_per_s": count / spent,
            "forced_share": sum(row.stats.forced_tokens for row in ended) / count,
        }

    return run


def _write(results: Rows, case: dict[str, object], rounds: Rounds, unit: str, against: str) -> None:
    settings = {"threads": torch.get_num_threads(), "max_tokens": _MAX_TOKENS}
    for name, measured in rounds.items():
        others = {against, "whole"} - {name} if name != against else set()
        ratios = {
            f"{name}/{other} {unit}": ratio(measured, rounds[other], unit) for other in others
        }
        results.add({**case, "engine": name}, spreads(measured), ratios, settings=settings)


if __name__ == "__main__":
    main()
