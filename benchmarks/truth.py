"""What grounding does to the truth: every method on generated worlds, and what a token costs.

    python benchmarks/truth.py [--seed 2] [--count 200] [--methods copy kid ...]

Runs rows through `tether.batch`, as users do. For each set: the share of right answers; of these
the clean sets (agree, unseen, irrelevant) say what a method harms: the questions that the prompt
alone gets right and the method does not. Hallucinated: answered, wrongly, with what no passage
says. The table goes to docs/explanation/grounding.md.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from rows import ROOT, Rows, parser, say
from timing import Run, alternate, spread
from worlds import Question, world

import tether
from tether.decoding.builtin.scores import Share

PAGE = ROOT / "docs" / "explanation" / "grounding.md"
CLEAN = ("agree", "unseen", "irrelevant")
LIMIT, SLOTS, ROUNDS = 48, (1, 16), 5
COSTED = 40  # questions that are timed


@dataclass(frozen=True, slots=True)
class Method:
    """One line of the table.

    Attributes:
        name: As users write it.
        settings: Of `tether.batch`.
        told: Whether the prompt holds the passages.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    told: bool = True


METHODS = (
    Method("without passages", told=False),
    Method("passages in the prompt"),
    Method("copy", {"ground": ["copy"]}),
    Method("copy,by=ngram", {"ground": ["copy,by=ngram"]}),
    Method("grad", {"ground": ["grad"]}),
    Method("knn", {"ground": ["knn"]}),
    Method("caad", {"ground": ["caad"]}),
    Method("cad:0.5", {"contrast": ["cad:0.5"]}),
    Method("cad:1,adaptive=yes", {"contrast": ["cad:1,adaptive=yes"]}),
)
PLAIN = METHODS[1]


def main() -> None:
    """Measure every method on every set, then write the table."""
    shared = parser(__doc__)
    shared.add_argument("--seed", type=int, default=1, help="of the world")
    shared.add_argument("--count", type=int, default=200, help="questions a set")
    shared.add_argument("--methods", nargs="*", help="names of the table; all of them")
    given = shared.parse_args()
    torch.set_num_threads(1)
    sets = world(given.seed, 8 if given.quick else given.count)
    chosen = [m for m in METHODS if not given.methods or m in (PLAIN,) or m.name in given.methods]
    rows = Rows("truth", quick=given.quick)
    held = len(rows.path.read_text().splitlines()) if rows.path.is_file() else 0
    model = {"model": given.model} if given.model else {}
    right = {name: _right(PLAIN, asked, model)[0] for name, asked in sets.items()}
    for method in chosen:
        _measure(rows, method, sets, right, model, given.seed)
    _cost(rows, chosen, sets["stale"][:COSTED], model, quick=given.quick)
    if not (given.quick or given.methods):
        _write_table(rows.path.read_text(encoding="utf-8").splitlines()[held:])


def _measure(
    rows: Rows,
    method: Method,
    sets: Mapping[str, Sequence[Question]],
    plain: Mapping[str, Sequence[bool]],
    model: Mapping[str, Any],
    seed: int,
) -> None:
    """One row: the shares of a method on all sets."""
    figures: dict[str, dict[str, float]] = {}
    spoiled = total = 0
    for name, asked in sets.items():
        right, invented = _right(method, asked, model)
        share = Share(sum(right), len(right))
        low, high = share.interval()
        figures[name] = {"share": share.value, "low": low, "high": high, "count": len(right)}
        figures[f"{name} hallucinated"] = {"share": sum(invented) / len(invented)}
        if name in CLEAN:
            spoiled += sum(
                before and not now for before, now in zip(plain[name], right, strict=True)
            )
            total += len(right)
    figures["harm"] = {"share": spoiled / total, "count": total}
    say(f"{method.name}: " + ", ".join(f"{n} {f['share']:.3f}" for n, f in figures.items()))
    rows.add({"method": method.name}, figures, settings={"seed": seed, "limit": LIMIT})


def _right(
    method: Method, asked: Sequence[Question], model: Mapping[str, Any]
) -> tuple[list[bool], list[bool]]:
    """For each question, whether it was answered right, and whether with an invention."""
    answers = _answers(method, asked, model, slots=16)
    right = [answer == question.gold for answer, question in zip(answers, asked, strict=True)]
    invented = [
        answer not in ("", question.gold) and answer not in " ".join(question.passages)
        for answer, question in zip(answers, asked, strict=True)
    ]
    return right, invented


def _answers(
    method: Method, asked: Sequence[Question], model: Mapping[str, Any], slots: int
) -> list[str]:
    """What the method says; empty where it abstained or ended without an answer."""
    rows = [
        {"id": str(n), "prompt": q.text, **({"evidence": list(q.passages)} if method.told else {})}
        for n, q in enumerate(asked)
    ]
    settings = {"max_tokens": LIMIT, "slots": slots, "dtype": "float32", **model}
    done = tether.batch(rows, **{**settings, **method.settings})
    return [str(row.get("output") or "") for row in done]


def _cost(
    rows: Rows,
    methods: Sequence[Method],
    asked: Sequence[Question],
    model: Mapping[str, Any],
    *,
    quick: bool,
) -> None:
    """One row a method and batch: CPU time a forward against that of the prompt alone."""
    told = [method for method in methods if method.told]
    for slots in SLOTS:
        runs = {m.name: _timed(m, asked, model, slots) for m in told}
        rounds = alternate(runs, repeats=2 if quick else ROUNDS, budget_s=600)
        for method in told:
            ours, theirs = rounds[method.name], rounds[PLAIN.name]
            ratio = [a["ms"] / b["ms"] for a, b in zip(ours, theirs, strict=True)]
            figures = {"CPU ms a token": spread([a["ms"] for a in ours])}
            case = {"method": method.name, "batch": slots}
            rows.add(case, figures, {f"{method.name}/{PLAIN.name} cost": spread(ratio)})
            say(f"{method.name} batch {slots}: {spread(ratio)}")


def _timed(method: Method, asked: Sequence[Question], model: Mapping[str, Any], slots: int) -> Run:
    """A run of some questions, prompts included, that returns its CPU time a token."""

    def run() -> dict[str, float]:
        began = time.process_time()
        answers = _answers(method, asked, model, slots)
        spent = time.process_time() - began
        return {"ms": 1000 * spent / sum(len(answer) + 1 for answer in answers)}

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
