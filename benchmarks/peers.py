"""Valid outputs a second under the same rules: tether and every peer, in one run.

python benchmarks/peers.py                               # the shipped model, then random-130m
python benchmarks/peers.py --schemas 100 --guidance PYTHON   # it lives in its own environment
python benchmarks/peers.py --batches 16 --engines tether xgrammar outlines

Engines (see engines.py, outlines_engine.py, guidance_engine.py) take turns work by work, first in
another place each time. The same weights, prompts and rules, greedy, batch 1 and 16. `valid_per_s`
counts compiling, as a first use does; `warm_valid_per_s` does not; `valid_per_cpu_s` does, by this
process's CPU time, which other work on the machine hardly changes. `tokens_per_s` counts an
engine's own tokens, forced ones too. The judge is none of the engines' (works.py); every output is
judged: `valid`, `invalid` and cut at the `limit` add up to `outputs`. What an engine refuses counts
for neither side: ratios are over works that both held. `unconstrained` and `continuous-batching`
hold no rule: for them only tokens count.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import subjects
import torch
from engines import (
    Asked,
    ContinuousBatching,
    Engine,
    FormatEnforcer,
    LLGuidance,
    Said,
    Tether,
    Unconstrained,
    XGrammar,
)
from guidance_engine import Guidance
from outlines_engine import Outlines, OutlinesLLGuidance, OutlinesXGrammar
from rows import Options, Rows, Skipped, parser, say
from subjects import Subject
from timing import spread
from works import Work, extractions, grammars, patterns

from tether.decoding.prompt import Prompt, encode, render

FREE = ("unconstrained", "continuous-batching")
MEASURES = ("valid_per_s", "warm_valid_per_s", "valid_per_cpu_s", "tokens_per_s")
MAX_TOKENS = 192
MAX_TOKENS_LARGE = 48  # a random model stops at the limit whatever it is, so for time
_COMPILE_LIMIT_S = 30.0
_PATIENCE_S = 120.0  # of an engine in one case: the slowest would take the whole day


@dataclass(frozen=True, slots=True)
class Done:
    """One work by one engine.

    Attributes:
        run_s: Seconds of generating; `compile_s` came before.
        cpu_s: CPU seconds of both; 0 where another process did it.
        outcomes: "valid", "invalid" or "limit" of each output; empty where no rule was held.
    """

    run_s: float
    compile_s: float
    cpu_s: float
    tokens: int
    outcomes: tuple[str, ...]

    @property
    def valid_per_s(self) -> float:
        """Valid outputs a second, compiling included."""
        return self.outcomes.count("valid") / (self.run_s + self.compile_s)

    @property
    def warm_valid_per_s(self) -> float:
        """Valid outputs a second once the rule is compiled."""
        return self.outcomes.count("valid") / self.run_s

    @property
    def valid_per_cpu_s(self) -> float:
        """Valid outputs a second of CPU time, compiling included; 0 where it is not known."""
        return self.outcomes.count("valid") / self.cpu_s if self.cpu_s else 0.0

    @property
    def tokens_per_s(self) -> float:
        """The engine's own tokens a second, compiling left out."""
        return self.tokens / self.run_s


@dataclass
class Score:
    """What an engine did in one case: its works by name, and why others were not done."""

    done: dict[str, Done] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def spent(self) -> float:
        """Seconds so far."""
        return sum(work.run_s + work.compile_s for work in self.done.values())

    def counts(self) -> dict[str, int]:
        """Outputs by outcome, and works that were not done."""
        found = [outcome for work in self.done.values() for outcome in work.outcomes]
        named = {name: found.count(name) for name in ("valid", "invalid", "limit")}
        return {"works": len(self.done), "works_not_done": len(self.notes), **named}


def main() -> None:
    """Measure what the command line asks for."""
    shared = parser(__doc__)
    shared.add_argument("--schemas", type=int, default=30, help="JSON works on the shipped model")
    shared.add_argument("--guidance", metavar="PYTHON", help="an interpreter that has guidance")
    shared.add_argument("--only", nargs="*", help="models: shipped random-130m")
    shared.add_argument("--engines", nargs="*", help="of those that are at hand; tether is needed")
    shared.add_argument("--batches", nargs="*", type=int, default=[1, 16])
    given = shared.parse_args()
    chosen = Options(quick=given.quick, model=given.model)
    makers: dict[str, Callable[[], Subject]] = {
        "shipped": partial(subjects.shipped, chosen),
        "random-130m": subjects.random_130m,
    }
    wanted = [make for name, make in makers.items() if name in (given.only or makers)]
    results = Rows("peers", quick=given.quick)
    for subject in subjects.at_hand(wanted):
        case = Case(results, subject, given.guidance, given.engines)
        for kind, batch, works in _plan(subject, given):
            case.run(kind, batch, works)


def _plan(subject: Subject, given: argparse.Namespace) -> Iterator[tuple[str, int, list[Work]]]:
    schemas = given.schemas if subject.small else 4
    for batch in given.batches:
        yield "json", batch, list(extractions(2 if given.quick else schemas, batch))
        yield "regex", batch, list(patterns(batch))[: 2 if given.quick else None]
        yield "grammar", batch, list(grammars(batch))[: 1 if given.quick else None]


class Case:
    """All engines on one model."""

    def __init__(
        self, results: Rows, subject: Subject, guidance: str | None, wanted: list[str] | None
    ) -> None:
        self._results, self._subject = results, subject
        self._max_tokens = MAX_TOKENS if subject.small else MAX_TOKENS_LARGE
        self._engines: dict[str, Engine] = {}
        self._setup_s: dict[str, float] = {}
        for name, make in _makers(subject, guidance).items():
            if wanted is not None and name not in wanted:
                continue
            say(f"peers: {subject.name}, making {name}")
            began = time.perf_counter()
            try:
                self._engines[name] = make()
            except (Skipped, ImportError) as reason:
                results.add({"model": subject.name, "engine": name}, note=f"Skipped: {reason}")
            self._setup_s[name] = time.perf_counter() - began

    def run(self, kind: str, batch: int, works: list[Work]) -> None:
        """Every work by every engine; a row an engine."""
        scores = {name: Score() for name in self._engines}
        self._warm(works[0])
        for number, work in enumerate(works):
            say(f"peers: {self._subject.name}, {kind}, batch {batch}, {number + 1}/{len(works)}")
            asked = [self._asked(prompt) for prompt in work.prompts]
            names = list(self._engines)
            for name in names[number % len(names) :] + names[: number % len(names)]:
                self._play(name, work, asked, scores[name])
        for name, score in scores.items():
            self._write({"model": self._subject.name, "kind": kind, "batch": batch}, name, scores)
            say(f"  {name}: {score.counts()} {score.spent():.1f} s")

    def _warm(self, work: Work) -> None:
        asked = [self._asked(work.prompts[0])]
        for engine in self._engines.values():
            with suppress(Skipped):
                engine.compile(work)
                engine.run(asked, 4)
        gc.collect()  # what other engines hold is no work for the collector while one is timed
        gc.freeze()

    def _play(self, name: str, work: Work, asked: list[Asked], score: Score) -> None:
        if score.spent() > _PATIENCE_S:
            score.notes[work.name] = f"Stopped after {_PATIENCE_S:.0f} s."
            return
        engine = self._engines[name]
        try:
            cpu_began = time.process_time()
            compile_s = engine.compile(work)
            began = time.perf_counter()
            said = engine.run(asked, self._max_tokens)
            spent = time.perf_counter() - began if said.seconds is None else said.seconds
            cpu_s = time.process_time() - cpu_began if said.seconds is None else 0.0
        except Skipped as reason:
            score.notes[work.name] = str(reason)
            return
        outcomes = () if name in FREE else tuple(_outcomes(work, said))
        score.done[work.name] = Done(spent, compile_s, cpu_s, sum(said.counts), outcomes)

    def _asked(self, prompt: Prompt) -> Asked:
        return Asked(render(self._subject.lean, prompt), encode(self._subject.lean, prompt))

    def _write(self, case: dict[str, object], name: str, scores: dict[str, Score]) -> None:
        score, ours = scores[name], scores["tether"]
        measures = ["tokens_per_s"] if name in FREE else list(MEASURES)
        figures = {m: _spread(score, m) for m in measures if score.done}
        both = [work for work in ours.done if work in score.done]
        ratios = {
            f"tether/{name} {m}": spread(
                getattr(ours.done[work], m) / getattr(score.done[work], m)
                for work in both
                if getattr(score.done[work], m)
            )
            for m in measures
            if name != "tether" and any(getattr(score.done[work], m) for work in both)
        }
        if score.done:
            figures["compile_s"] = spread(work.compile_s for work in score.done.values())
            figures["setup_s"] = spread([self._setup_s[name]])
        settings = {
            "max_tokens": self._max_tokens,
            "threads": torch.get_num_threads(),
            "counts": score.counts(),
        }
        note = "; ".join(sorted(set(score.notes.values())))[:500]
        self._results.add({**case, "engine": name}, figures, ratios, settings=settings, note=note)


def _spread(score: Score, measure: str) -> dict[str, float]:
    return spread(getattr(work, measure) for work in score.done.values())


def _outcomes(work: Work, said: Said) -> Iterator[str]:
    for text, limited in zip(said.texts, said.limited, strict=True):
        yield "valid" if work.allows(text) else "limit" if limited else "invalid"


def _makers(subject: Subject, guidance: str | None) -> dict[str, Callable[[], Engine]]:
    """How to make each engine."""
    tokenizer = subject.load_tokenizer()
    made: dict[str, Callable[[], Engine]] = {
        "tether": partial(Tether, subject),
        "outlines": partial(Outlines, subject, tokenizer, _COMPILE_LIMIT_S),
        "outlines-llguidance": partial(OutlinesLLGuidance, subject, tokenizer, _COMPILE_LIMIT_S),
        "outlines-xgrammar": partial(OutlinesXGrammar, subject, tokenizer, _COMPILE_LIMIT_S),
        "xgrammar": partial(XGrammar, subject, tokenizer),
        "llguidance": partial(LLGuidance, subject, tokenizer),
        "lm-format-enforcer": partial(FormatEnforcer, subject, tokenizer),
        "unconstrained": partial(Unconstrained, subject, tokenizer),
        "continuous-batching": partial(ContinuousBatching, subject, tokenizer),
    }
    if guidance:
        made["guidance"] = partial(Guidance, subject, tokenizer, guidance)
    return made


if __name__ == "__main__":
    main()
