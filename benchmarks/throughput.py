"""Rows a second of one loop at batch 16, with and without what slots do for one another.

Contenders turn one thing off each: reading equal beginnings once (`sharing`), reading short prompts
side by side (`together`), giving requests out by length (`ahead`). Prompts are random tokens, with
a head that all share or of very different lengths; every row says the same number of tokens. CPU
time, so that a busy machine does not count. `stall` is wall time: the longest wait of a running row
for its next token while a long prompt is read, in pieces or as one. `masks` is the time of a turn
in which no forward runs, with masks on a thread and without: what a device would idle.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import schemas
import subjects
import torch
from rows import Rows, options, say
from timing import Figures, Rounds, Run, alternate, ratio, spreads

from tether.decoding.batch import Batch
from tether.decoding.loop import Loop
from tether.decoding.masks import Masks
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Delta, Request
from tether.decoding.views import Views
from tether.grammars import json_schema

SLOTS = 16
_NEVER = 1 << 30
_OFF: Mapping[str, Mapping[str, Any]] = {
    "all on": {},
    "no sharing": {
        "tether.decoding.sharing.LEAST": _NEVER,
        "tether.decoding.lanes.LEAST": _NEVER,
    },
    "one by one": {"tether.decoding.admission.Views.beside": lambda *_: False},
}
_IN_PIECES: Mapping[str, Mapping[str, Any]] = {
    "in pieces": {},
    "as one": {"tether.decoding.admission._MOST": {"cpu": _NEVER}},
}
_ON_THREAD: Mapping[str, Mapping[str, Any]] = {
    "on a thread": {
        "tether.decoding.masks._THREAD_AFTER_S": 0.0,
        "tether.decoding.masks._THREAD_FROM_S": 0.0,
    },
    "before the forward": {"tether.decoding.masks._THREAD_AFTER_S": float(_NEVER)},
}


def main() -> None:
    """Measure the shipped model; masks on both models."""
    chosen = options(__doc__)
    results = Rows("throughput", quick=chosen.quick)
    repeats = 2 if chosen.quick else 3
    shipped = replace(subjects.shipped(chosen).lean, name="shipped", end_ids=frozenset())
    for name, lengths in (("shared head", shared_head), ("ragged", ragged)):
        say(f"throughput: {name}")
        asked = lengths(random.Random(0), 24 if chosen.quick else 48)
        runs = dict(_runs(shipped, asked))
        rounds = alternate(runs, repeats=repeats, budget_s=120.0)
        _add(results, {"rows": name, "model": "shipped"}, rounds, "all on", "rows_per_cpu_s")
    say("throughput: a long prompt beside rows that run")
    stalls = {name: _with(off, partial(stall, shipped)) for name, off in _IN_PIECES.items()}
    rounds = alternate(stalls, repeats=repeats, budget_s=60.0)
    _add(
        results, {"rows": "long beside short", "model": "shipped"}, rounds, "in pieces", "stall_ms"
    )
    for subject in subjects.at_hand([partial(subjects.shipped, chosen), subjects.random_130m]):
        say(f"throughput: masks, {subject.name}")
        turn = partial(idle, subject.lean, "person" if subject.small else "flags")
        rounds = alternate(
            {name: _with(off, turn) for name, off in _ON_THREAD.items()},
            repeats=repeats,
            budget_s=90.0,
        )
        _add(results, {"masks": "JSON", "model": subject.name}, rounds, "on a thread", "idle_share")


def shared_head(rng: random.Random, count: int) -> list[tuple[int, ...]]:
    """Prompts with 320 tokens in common and 16 to 64 of their own."""
    head = _tokens(rng, 320)
    return [head + _tokens(rng, rng.randrange(16, 65)) for _ in range(count)]


def ragged(rng: random.Random, count: int) -> list[tuple[int, ...]]:
    """Prompts of 8 to 800 tokens, most of them short."""
    return [_tokens(rng, int(8 * 100 ** rng.random())) for _ in range(count)]


def _tokens(rng: random.Random, count: int) -> tuple[int, ...]:
    return tuple(rng.randrange(8, 2048) for _ in range(count))


def _runs(model: Model, asked: list[tuple[int, ...]]) -> Iterator[tuple[str, Run]]:
    rows = [_request(str(n), prompt, 24) for n, prompt in enumerate(asked)]
    for name, off in _OFF.items():
        for ahead in (1, 4 * SLOTS) if name == "all on" else (1,):
            label = f"{name}, by length" if ahead > 1 else name
            yield label, _with(off, partial(throughput, model, rows, ahead))


def _request(key: str, prompt: tuple[int, ...], num_tokens: int) -> Request:
    return Request(key, prompt, max_tokens=num_tokens, drafters=())


def throughput(model: Model, rows: list[Request], ahead: int) -> Figures:
    """Rows a second of CPU time."""
    loop = Loop(model, slots=SLOTS, ahead=ahead)
    began = time.process_time()
    ended = list(loop.run(rows))
    spent = time.process_time() - began
    assert all(len(row.tokens) == row.stats.output_tokens for row in ended), "a row stopped early"
    return {"rows_per_cpu_s": len(ended) / spent}


def stall(model: Model) -> Figures:
    """The longest wait of rows that run while a prompt of 1,000 tokens is read beside them."""
    rng, at = random.Random(1), [time.perf_counter()]
    rows = [_request(str(n), _tokens(rng, 20), 60) for n in range(8)]
    rows += [_request("short", _tokens(rng, 20), 8), _request("long", _tokens(rng, 1000), 2)]
    waits: list[float] = []

    def heard(delta: Delta) -> None:
        if delta.key == "0":
            waits.append(time.perf_counter() - at[0])
            at[0] = time.perf_counter()

    list(Loop(model, slots=9).run(rows, heard))
    return {"stall_ms": 1e3 * max(waits[2:]), "step_ms": 1e3 * statistics.median(waits[2:])}


def idle(model: Model, name: str) -> Figures:
    """The share of a turn's time in which no forward runs, and what masks are of it.

    The head, the step, the constraints' advance and the judge are the rest. A model that says
    nothing sensible gets a schema without open strings, for it would never end them.
    """
    schema = json_schema(schemas.named(name), model.vocabulary)
    fields = "{name, age: integer, role, tags: [string]}" if name == "person" else ""
    prompts = [encode(model, Prompt(text, fields=fields)) for text in schemas.texts(SLOTS)]
    rows = [
        replace(_request(str(n), prompt, 512), constraint=schema)
        for n, prompt in enumerate(prompts)
    ]
    spent = {"turn": 0.0, "run": 0.0, "result": 0.0}
    with (
        _timed(spent, "turn", Batch, "turn"),
        _timed(spent, "run", Views, "run"),
        _timed(spent, "result", Future, "result"),
        _timed(spent, "result", Masks, "start"),
    ):
        list(Loop(model, slots=SLOTS).run(rows))
    return {
        "idle_share": 1 - spent["run"] / spent["turn"],
        "masks_share": spent["result"] / spent["turn"],
    }


@contextmanager
def _timed(spent: dict[str, float], name: str, owner: type, method: str) -> Iterator[None]:
    """Count the wall seconds of a method while inside."""
    whole = getattr(owner, method)

    def counted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        began = time.perf_counter()
        try:
            return whole(*args, **kwargs)
        finally:
            spent[name] += time.perf_counter() - began

    with patch.object(owner, method, counted):
        yield


def _with(changed: Mapping[str, Any], run: Callable[[], Figures]) -> Run:
    """A run under other constants of the program."""

    def changed_run() -> Figures:
        with ExitStack() as stack:
            for name, value in changed.items():
                stack.enter_context(patch(name, value))
            return run()

    return changed_run


def _add(results: Rows, case: Mapping[str, object], rounds: Rounds, base: str, figure: str) -> None:
    """A row for each contender, against the first of them."""
    for name, measured in rounds.items():
        against = ratio(measured, rounds[base], figure)
        results.add(
            {**case, "loop": name},
            spreads(measured),
            {} if name == base else {f"{name}/{base} {figure}": against},
            settings={"slots": SLOTS, "threads": torch.get_num_threads()},
        )


if __name__ == "__main__":
    main()
