"""Tokens a second with and without drafts on JSON extraction, and of an unconstrained `generate`.

The shipped model reads generated documents, each with a schema of its own; the random model reads
the repository's examples, and copies nothing but by chance. The texts are the same with and without
drafts, which is checked. `generate` says as many tokens as the rows do on average, unconstrained.

`queries`: questions over the example graph under new names, with their links, as `tether sparql`
asks them. `model that drafts`: the shipped model drafts for itself, eight tokens whether they pay
or not; the forwards of all rows together, and one after another. Both in CPU time.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import schemas
import subjects
from loop import generate
from rows import Rows, from_tests, options, say
from subjects import Subject
from timing import Figures, Rounds, Run, alternate, ratio, spreads

from tether.decoding.builtin.asked import constraint_of, sources
from tether.decoding.builtin.example_graph import renamed_world
from tether.decoding.builtin.generator.example import Split
from tether.decoding.builtin.generator.json_task import make_json
from tether.decoding.drafts.drafting import Drafting
from tether.decoding.drafts.registry import AUTO
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request, Result
from tether.decoding.terms.term import Role
from tether.grammars.json_schema import Bounds, json_schema

BATCHES = (1, 16)
_BUDGET_S = 40.0  # a case


def main() -> None:
    """Measure both subjects on the CPU."""
    chosen = options(__doc__)
    results = Rows("drafts", quick=chosen.quick)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TETHER_CACHE_DIR"] = folder  # nothing learned earlier helps
        for subject in subjects.at_hand([partial(subjects.shipped, chosen), subjects.random_130m]):
            for batch in BATCHES:
                measure(results, subject, batch, quick=chosen.quick)
        shipped = subjects.shipped(chosen)
        queries(results, shipped.lean, Path(folder), quick=chosen.quick)
        drafters(results, shipped, quick=chosen.quick)


def queries(results: Rows, model: Model, folder: Path, *, quick: bool) -> None:
    """Rows for questions over a graph, with and without drafts."""
    count, split = (8 if quick else 32), Split("test", 0.5)
    world = renamed_world(folder / "world", "drafts", split)
    constraint = constraint_of(model, world.graph, "adjacent")
    asked = [
        Request(
            str(number),
            tuple(model.vocabulary.encode_prompt(example.prompt)),
            constraint,
            max_tokens=128,
            sources=sources(model, world.graph, example.text, ["link"]),
        )
        for number, example in enumerate(world.questions("drafts", count, split))
    ]
    for batch in BATCHES:
        say(f"drafts: queries, batch {batch}")
        runs = {
            name: forgetful(model, [replace(row, drafters=names) for row in asked], batch)
            for name, names in {"plain": (), "lookup": AUTO, "ngrams": ("ngrams",)}.items()
        }
        rounds = alternate(runs, repeats=2 if quick else 5, budget_s=_BUDGET_S)
        _against(results, {"rows": "queries", "batch": batch}, rounds, "plain")


def drafters(results: Rows, subject: Subject, *, quick: bool) -> None:
    """Rows for a model that drafts, all rows of a turn together and one by one."""
    asked = [replace(row, draft_tokens=8) for row in extractions(subject, 8 if quick else 32)]
    drafted = [replace(row, drafters=("model",)) for row in asked]
    others: dict[Role, Model] = {"drafter": subject.lean}
    together = forgetful(subject.lean, drafted, 16, others)

    def alone() -> Figures:
        with patch.object(Drafting, "_foresee", lambda *_: None):
            return together()

    with from_tests("draft_cases.py").eager():
        runs = {"together": together, "one by one": alone}
        rounds = alternate(runs, repeats=2 if quick else 3, budget_s=_BUDGET_S)
    _against(results, {"rows": "model that drafts", "batch": 16}, rounds, "one by one")


def forgetful(
    model: Model, asked: Sequence[Request], batch: int, others: dict[Role, Model] | None = None
) -> Run:
    """A run of the loop in which nothing is known that an earlier one learned."""

    def run() -> Figures:
        with tempfile.TemporaryDirectory() as empty:
            os.environ["TETHER_CACHE_DIR"] = empty
            began = time.process_time()
            ended = list(Loop(model, slots=batch, others=others).run(asked))
            used = time.process_time() - began
        tokens = sum(row.stats.output_tokens for row in ended)
        forwards = sum(row.stats.forwards for row in ended)
        accepted = sum(row.stats.accepted_tokens for row in ended)
        return {
            "tokens_per_cpu_s": tokens / used,
            "tokens_per_forward": tokens / forwards,
            "accepted_tokens": accepted,
        }

    return run


def _against(results: Rows, case: dict[str, object], rounds: Rounds, base: str) -> None:
    """A row for each contender, against one of them."""
    figure = "tokens_per_cpu_s"
    for name, measured in rounds.items():
        against = ratio(measured, rounds[base], figure)
        results.add(
            {**case, "model": "shipped", "engine": name},
            spreads(measured),
            {} if name == base else {f"{name}/{base} {figure}": against},
        )


def measure(results: Rows, subject: Subject, batch: int, *, quick: bool) -> None:
    """Rows for one subject at one batch size."""
    say(f"drafts: {subject.name}, batch {batch}")
    count = 2 if quick else 32 if subject.small else 16 if batch > 1 else 2
    asked = extractions(subject, max(count, batch))
    said = list(Loop(subject.lean, slots=batch).run(asked))
    length = max(1, sum(len(row.tokens) for row in said) // len(said))
    drafted = [replace(row, drafters=AUTO) for row in asked]
    again = list(Loop(subject.lean, slots=batch).run(drafted))
    assert texts(again) == texts(said), "drafts changed a text"
    prompts = [row.prompt for row in asked[:batch]]
    contenders: dict[str, Run] = {
        "generate": generate(subject.library, prompts, length),
        "plain": rows(subject, asked, batch),
        "drafts": rows(subject, drafted, batch),
    }
    rounds = alternate(contenders, repeats=2 if quick else 5, budget_s=_BUDGET_S)
    for name, measured in rounds.items():
        against = {
            f"{name}/{other} tokens_per_s": ratio(measured, rounds[other], "tokens_per_s")
            for other in contenders
            if other != name
        }
        results.add(
            {"model": subject.name, "batch": batch, "engine": name},
            spreads(measured),
            against,
            settings={"rows": len(asked), "drafters": list(AUTO), "tokens_a_row": length},
        )


def rows(subject: Subject, asked: Sequence[Request], batch: int) -> Run:
    """A run of the loop over these rows; what drafters learn, they learn within it."""

    def run() -> Figures:
        began, cpu = time.perf_counter(), time.process_time()
        ended = list(Loop(subject.lean, slots=batch).run(asked))
        spent, used = time.perf_counter() - began, time.process_time() - cpu
        tokens = sum(row.stats.output_tokens for row in ended)
        chosen = tokens - sum(row.stats.forced_tokens for row in ended)
        forwards = sum(row.stats.forwards for row in ended)
        drafted = sum(row.stats.drafted_tokens for row in ended)
        return {
            "tokens_per_s": tokens / spent,
            "tokens_per_cpu_s": tokens / used,
            "choices_per_forward": chosen / forwards,
            "drafted_tokens": drafted,
            "accepted_tokens": sum(row.stats.accepted_tokens for row in ended),
        }

    return run


def extractions(subject: Subject, count: int) -> list[Request]:
    """Documents with schemas: generated ones for a model that reads, the examples for another."""
    vocabulary = subject.lean.vocabulary
    if subject.small:
        rng = random.Random(1)
        made = [make_json(rng, Split("test", 1 / 6)) for _ in range(count)]
        return [
            Request(
                str(number),
                tuple(vocabulary.encode(each.prompt)),
                json_schema(each.schema or {}, vocabulary, bounds=Bounds()),
                max_tokens=300,
            )
            for number, each in enumerate(made)
        ]
    constraint = json_schema(schemas.named("person"), vocabulary, bounds=Bounds())
    found = schemas.texts(min(count, 16))
    prompts = [encode(subject.lean, Prompt(found[n % len(found)])) for n in range(count)]
    return [Request(str(n), ids, constraint, max_tokens=40) for n, ids in enumerate(prompts)]


def texts(ended: Sequence[Result]) -> dict[str, str]:
    """The texts of results by their keys."""
    return {row.key: row.text for row in ended}


if __name__ == "__main__":
    main()
