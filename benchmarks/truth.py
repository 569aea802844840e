"""What grounding does to the truth: every method on generated worlds, and what a token costs.

    python benchmarks/truth.py [--seed 2] [--count 200] [--methods copy kid ...]

Runs rows through `tether.batch`, as users do. For each set: the share of right answers; of these
the clean sets (agree, unseen, irrelevant) say what a method harms: the questions that the prompt
alone gets right and the method does not. Hallucinated: answered, wrongly, with what no passage
says; where nobody can know (`missing`), with anything. The table goes to the page on grounding.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from facts import ROOT
from rows import Rows, parser, say
from timing import Run, alternate, spread
from worlds import Question, world

import tether
from tether.decoding.builtin.scores import Share
from tether.decoding.models import checkpoint
from tether.grammars import Vocabulary

PAGE = ROOT / "docs" / "explanation" / "grounding.md"
CLEAN = ("agree", "unseen", "irrelevant")
LIMIT, SLOTS, ROUNDS = 48, (1, 16), 3
COSTED = 40  # questions that are timed


@dataclass(frozen=True, slots=True)
class Method:
    """One line of the table.

    Attributes:
        name: As users write it.
        settings: Of `tether.batch`.
        told: Whether the prompt holds the passages: as given, or as an index of all passages of
            the set finds them.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    told: Literal["no", "given", "found"] = "given"


KNOB = "knob,file=builtin.knob"
"""Trained before it is used, where a method of this name is measured."""


def _grounds(*names: str, told: Literal["given", "found"] = "given") -> Method:
    return Method(" ".join(names), {"ground": list(names)}, told)


METHODS = (
    Method("without passages", told="no"),
    Method("passages in the prompt"),
    _grounds("copy"),
    _grounds("copy,by=ngram"),
    _grounds("kid:4"),
    _grounds("grad"),
    _grounds("knn"),
    _grounds("caad"),
    _grounds("rapid:8"),
    Method("cad:0.5", {"contrast": ["cad:0.5"]}),
    Method("cad:1,adaptive=yes", {"contrast": ["cad:1,adaptive=yes"]}),
    _grounds("copy", "kid"),
    _grounds(KNOB),
    _grounds("copy", KNOB),
    Method("the profile grounded", {"profile": "grounded"}),
    Method("passages found", told="found"),
    _grounds("grad,over=index", told="found"),
    _grounds("knn,over=index", told="found"),
    _grounds("memory", told="found"),
    Method("the profile grounded, passages found", {"profile": "grounded"}, "found"),
)
PLAIN = METHODS[1]


@dataclass(frozen=True, slots=True)
class World:
    """A set of questions, the index of its passages, and who answers."""

    asked: Sequence[Question]
    index: Path
    model: Mapping[str, Any]


def main() -> None:
    """Measure every method on every set, then write the table."""
    shared = parser(__doc__)
    shared.add_argument("--seed", type=int, default=1, help="of the world")
    shared.add_argument("--count", type=int, default=200, help="questions a set")
    shared.add_argument("--methods", nargs="*", help="names of the table; all of them")
    given = shared.parse_args()
    torch.set_num_threads(1)
    sets = world(given.seed, 8 if given.quick else given.count)
    chosen = [m for m in METHODS if not given.methods or m == PLAIN or m.name in given.methods]
    rows = Rows("truth", quick=given.quick)
    held = len(rows.path.read_text().splitlines()) if rows.path.is_file() else 0
    model = {"model": given.model} if given.model else {}
    with TemporaryDirectory() as folder:
        worlds = {name: World(asked, Path(folder) / name, model) for name, asked in sets.items()}
        if any(method.told == "found" for method in chosen):
            for one in worlds.values():
                _index(one, given.model)
        if any(KNOB in method.name for method in chosen):
            os.chdir(folder)
            _train_knob(Path("builtin.knob"), model)
        plain = {name: _right(PLAIN, one)[0] for name, one in worlds.items()}
        for method in chosen:
            _measure(rows, method, worlds, plain, given.seed)
        _cost(rows, chosen, worlds["stale"], quick=given.quick)
    if not (given.quick or given.methods):
        _write_table(rows.path.read_text(encoding="utf-8").splitlines()[held:])


def _index(one: World, model: str | None) -> None:
    """Index the passages of a set, with a store for every method that reads one."""
    corpus = one.index.with_suffix(".jsonl")
    texts = dict.fromkeys(text for question in one.asked for text in question.passages)
    lines = (json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts))
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    own = ["--model", model] if model else []
    stores = ["--store", "states", "--store", "transitions"]
    built = ["build", str(corpus), "-o", str(one.index), *stores, *own]
    for command in (built, ["train-memory", str(one.index), *own]):
        subprocess.run([sys.executable, "-m", "tether", "index", *command], check=True)


def _train_knob(knob: Path, model: Mapping[str, str]) -> None:
    """Learn the knob at the layer where it works best for the shipped model, from its generator."""
    lines = subprocess.run(
        [sys.executable, "-m", "tether.decoding.builtin.knob_rows", "800"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    knob.with_suffix(".jsonl").write_bytes(lines)
    own = [part for pair in model.items() for part in (f"--{pair[0]}", pair[1])]
    rows = str(knob.with_suffix(".jsonl"))
    command = ["train-knob", rows, "-o", str(knob), "--layer", "3", "--steps", "0"]
    subprocess.run([sys.executable, "-m", "tether", "index", *command, *own], check=True)


def _measure(
    rows: Rows,
    method: Method,
    worlds: Mapping[str, World],
    plain: Mapping[str, Sequence[bool]],
    seed: int,
) -> None:
    """One row: the shares of a method on all sets."""
    figures: dict[str, dict[str, float]] = {}
    spoiled = total = 0
    for name, one in worlds.items():
        right, invented = _right(method, one)
        share = Share(sum(right), len(right))
        low, high = share.interval()
        figures[name] = {"share": share.value, "low": low, "high": high, "count": len(right)}
        figures[f"{name} hallucinated"] = {"share": sum(invented) / len(invented)}
        if name in CLEAN:
            pairs = zip(plain[name], right, strict=True)
            spoiled += sum(before and not now for before, now in pairs)
            total += len(right)
    figures["harm"] = {"share": spoiled / total, "count": total}
    say(f"{method.name}: " + ", ".join(f"{n} {f['share']:.3f}" for n, f in figures.items()))
    rows.add({"method": method.name}, figures, settings={"seed": seed, "limit": LIMIT})


def _right(method: Method, one: World) -> tuple[list[bool], list[bool]]:
    """For each question, whether it was answered right, and whether with an invention."""
    pairs = list(zip(_answers(method, one, slots=16), one.asked, strict=True))
    right = [answer == question.gold for answer, question in pairs]
    invented = [
        answer not in ("", question.gold)
        and not (question.gold and answer in " ".join(question.passages))
        for answer, question in pairs
    ]
    return right, invented


def _answers(method: Method, one: World, slots: int, most: int | None = None) -> list[str]:
    """What the method says; empty where it abstained or ended without an answer."""
    rows = [
        {
            "id": str(n),
            "prompt": question.text,
            **({"evidence": list(question.passages)} if method.told == "given" else {}),
        }
        for n, question in enumerate(one.asked[:most])
    ]
    found = {"index": str(one.index), "passages": 2} if method.told == "found" else {}
    settings = {"max_tokens": LIMIT, "slots": slots, "dtype": "float32", **one.model, **found}
    done = tether.batch(rows, **{**settings, **method.settings})
    return [str(row.get("output") or "") for row in done]


def _cost(rows: Rows, methods: Sequence[Method], one: World, *, quick: bool) -> None:
    """One row a method and batch: CPU time a token against that of the prompt alone."""
    told = [method for method in methods if method.told == "given"]
    vocabulary = Vocabulary.from_file(checkpoint.find(one.model.get("model")) / "tokenizer.json")
    for slots in SLOTS:
        runs = {m.name: _timed(m, one, slots, vocabulary) for m in told}
        rounds = alternate(runs, repeats=2 if quick else ROUNDS, budget_s=600)
        for method in told:
            ours, theirs = rounds[method.name], rounds[PLAIN.name]
            ratio = [a["ms"] / b["ms"] for a, b in zip(ours, theirs, strict=True)]
            figures = {"CPU ms a token": spread([a["ms"] for a in ours])}
            case = {"method": method.name, "batch": slots}
            rows.add(case, figures, {f"{method.name}/{PLAIN.name} cost": spread(ratio)})
            say(f"{method.name} batch {slots}: {spread(ratio)}")


def _timed(method: Method, one: World, slots: int, vocabulary: Vocabulary) -> Run:
    """A run of some questions, prompts included, that returns its CPU time a token."""

    def run() -> dict[str, float]:
        began = time.process_time()
        answers = _answers(method, one, slots, COSTED)
        spent = time.process_time() - began
        tokens = sum(len(vocabulary.encode(answer)) + 1 for answer in answers)  # and the end
        return {"ms": 1000 * spent / tokens}

    return run


def _write_table(lines: Sequence[str]) -> None:
    """Put the table of these rows between the marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- table -->\n).*?(<!-- end of table -->)", re.DOTALL)
    table = "\n".join(_table([json.loads(line) for line in lines]))
    PAGE.write_text(marked.sub(lambda m: f"{m[1]}{table}\n{m[2]}", page), encoding="utf-8")


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = ["stale", *CLEAN, "beside", "two_hop", "harm", "missing hallucinated"]
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        line = cells.setdefault(row["case"]["method"], {})
        for name in columns:
            if name in row["figures"]:
                line[name] = f"{row['figures'][name]['share']:.3f}"
        for ratio in row["ratios"].values():
            line[f"cost at {row['case']['batch']}"] = f"{ratio['median']:.2f}"
    columns += [f"cost at {slots}" for slots in SLOTS]
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for method, line in cells.items():
        lines.append(f"| `{method}` | " + " | ".join(line.get(c, "") for c in columns) + " |")
    return lines


if __name__ == "__main__":
    main()
