"""MaskBench: which schemas do engines hold exactly, and what do compiling and a token cost?

python benchmarks/maskbench.py --data visible.jsonl.gz                     # tether, llguidance
python benchmarks/maskbench.py --data visible.jsonl.gz --engine outlines --sample 100 --timeout 30
python benchmarks/maskbench.py --data visible.jsonl.gz --speed 1000        # the same schemas

An engine passes a schema when it compiles it, takes every valid instance and lets the text end
there, and refuses every invalid instance at some token or at its end.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import tekken
from mask_child import Child
from mask_engines import ENGINES
from mask_figures import Result, common, counts, speeds
from mask_walk import Case, Outcome
from rows import Rows, Skipped, say
from timing import Rounds, ratio, spreads

_SPEED_ENGINES = ["tether", "llguidance"]
_SPEED_ROUNDS = 3
_SPEED = 1000


def main() -> int:
    """Run what was asked for and write a row an engine."""
    given = _parser().parse_args()
    try:
        vocabulary = tekken.vocabulary()
    except Skipped as reason:
        say(f"Skipped: {reason}")
        return 1
    cases = _chosen(_read(given.data), given)
    names = given.engine or _SPEED_ENGINES
    children = {n: Child(ENGINES[n], vocabulary, cases, given.timeout) for n in names}
    rounds = [_round(children, cases, given.verbose) for _ in range(given.rounds)]
    for child in children.values():
        child.stop()
    if given.speed:
        rounds = [common(result) for result in rounds]
    settings = {
        "data": given.data.name,
        **{key: getattr(given, key) for key in ("sample", "speed", "seed", "timeout")},
        "vocabulary": vocabulary.size,
        "clock": "cpu",
    }
    results = Rows("maskbench", quick=False, path=given.out)
    _write(results, rounds, settings, kind="speed" if given.speed else "verdicts")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help=".jsonl or .jsonl.gz")
    parser.add_argument("--engine", nargs="+", choices=ENGINES, help="default: tether llguidance")
    parser.add_argument("--sample", type=int, default=0, help="so many schemas; 0: all")
    parser.add_argument("--name", default="", help="only schemas with this in their name")
    parser.add_argument(
        "--speed", type=int, nargs="?", const=_SPEED, default=0, metavar="N",
        help=f"time N schemas ({_SPEED}), those that all engines hold, {_SPEED_ROUNDS} rounds",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds a schema")
    parser.add_argument("--out", type=Path, help="file of rows in place of results/")
    parser.add_argument("--verbose", action="store_true", help="name what does not pass")
    return parser


def _read(path: Path) -> list[Case]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _chosen(cases: list[Case], given: argparse.Namespace) -> list[Case]:
    """The schemas asked for, in the order of the file."""
    given.rounds = given.rounds or (_SPEED_ROUNDS if given.speed else 1)
    held = [case for case in cases if given.name in case["name"]]
    size = given.speed or given.sample
    if not 0 < size < len(held):
        return held
    picked = random.Random(given.seed).sample(range(len(held)), size)
    return [held[i] for i in sorted(picked)]


def _round(children: dict[str, Child], cases: Sequence[Case], verbose: bool) -> Result:
    """Every schema through every engine; the engines take turns, so a slow minute hits all."""
    result: Result = {name: [] for name in children}
    for index in range(len(cases)):
        for name, child in children.items():
            outcome = child.ask(index)
            result[name].append(outcome)
            if verbose and not outcome.passed:
                _name(name, outcome)
        if (index + 1) % 200 == 0:
            say(f"maskbench: {index + 1} of {len(cases)} schemas")
    return result


def _name(engine: str, outcome: Outcome) -> None:
    if outcome.status != "walked":
        say(f"{engine} {outcome.status} {outcome.name}: {outcome.reason.splitlines()[:1]}")
    for verdict, wrong in (("rejects", outcome.rejects), ("accepts", outcome.accepts)):
        for sentence in wrong:
            say(f"{engine} {verdict} {outcome.name}: {sentence}")


def _write(results: Rows, rounds: list[Result], settings: dict[str, object], *, kind: str) -> None:
    measured: Rounds = {
        name: [{**counts(result[name]), **speeds(result[name])} for result in rounds]
        for name in rounds[0]
    }
    for name, figures in measured.items():
        ratios = {
            f"{name}/tether {figure}": ratio(figures, measured["tether"], figure)
            for figure in ("compile_p50_ms", "ready_p50_ms", "step_p50_us", "step_p99_us")
            if kind == "speed" and name != "tether" and "tether" in measured
        }
        case = {"engine": name, "what": kind}
        results.add(case, spreads(figures), ratios, settings=settings)
        print(json.dumps({**case, **{key: s["median"] for key, s in spreads(figures).items()}}))


if __name__ == "__main__":
    sys.exit(main())
