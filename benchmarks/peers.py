"""Valid outputs a second under the same rules: tether and every peer, in one run.

python benchmarks/peers.py                               # the shipped model, then random-130m
python benchmarks/peers.py --schemas 100 --guidance PYTHON   # it lives in its own environment
python benchmarks/peers.py --batches 16 --engines tether xgrammar outlines

Engines (see engines.py, outlines_engine.py, guidance_engine.py), each in a process of its own
(apart.py), take turns work by work, first in another place each time. The same weights, prompts and
rules, greedy, batch 1 and 16. `valid_per_s` counts compiling, as a first use does;
`warm_valid_per_s` does not; `valid_per_cpu_s` does, by CPU time, which other work on the machine
changes less. Figures and ratios are spread over the works; `all` is of all works as one, valid
outputs by the seconds of them all. `tokens_per_s` counts an engine's own tokens, forced ones too.
The judge is none of the engines' (works.py); every output is judged: `valid`, `invalid` and cut at
the `limit` add up to `outputs`. What an engine refuses counts for neither side: ratios are over
works that both held. `unconstrained` and `continuous-batching` hold no rule: for them only tokens
count.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import subjects
import torch
from apart import NAMES, Apart, Played
from engines import Asked, Said
from rows import Options, Rows, Skipped, parser, say
from subjects import Subject
from timing import spread
from works import Work, extractions, grammars, patterns

from tether.decoding.prompt import Prompt, encode, render

FREE = ("unconstrained", "continuous-batching")
MEASURES = ("valid_per_s", "warm_valid_per_s", "valid_per_cpu_s", "tokens_per_s")
MAX_TOKENS = 192
MAX_TOKENS_LARGE = 48  # a random model stops at the limit whatever it is, so for time
_PATIENCE_S = 120.0  # of an engine in one case: the slowest would take the whole day


@dataclass(frozen=True, slots=True)
class Done:
    """One work by one engine.

    Attributes:
        outcomes: "valid", "invalid" or "limit" of each output; empty where no rule was held.
    """

    played: Played
    outcomes: tuple[str, ...]

    @property
    def num_valid(self) -> int:
        """Outputs that keep the rule."""
        return self.outcomes.count("valid")

    @property
    def seconds(self) -> float:
        """Of compiling and generating."""
        return self.played.run_s + self.played.compile_s

    @property
    def valid_per_s(self) -> float:
        """Valid outputs a second, compiling included."""
        return self.num_valid / self.seconds

    @property
    def warm_valid_per_s(self) -> float:
        """Valid outputs a second once the rule is compiled."""
        return self.num_valid / self.played.run_s

    @property
    def valid_per_cpu_s(self) -> float:
        """Valid outputs a second of CPU time, compiling included; 0 where it is not known."""
        return self.num_valid / self.played.cpu_s if self.played.cpu_s else 0.0

    @property
    def tokens_per_s(self) -> float:
        """The engine's own tokens a second, compiling left out."""
        return sum(self.played.said.counts) / self.played.run_s


@dataclass
class Score:
    """What an engine did in one case: its works by name, and why others were not done."""

    done: dict[str, Done] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def spent(self) -> float:
        """Seconds so far."""
        return sum(work.seconds for work in self.done.values())

    def valid_per_s(self, works: Iterable[str]) -> float:
        """Valid outputs a second of these works as one."""
        done = [self.done[work] for work in works]
        return sum(work.num_valid for work in done) / sum(work.seconds for work in done)

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
    for make in wanted:
        for subject in subjects.at_hand([make]):
            case = Case(results, subject, make, given.guidance, given.engines or NAMES)
            for kind, batch, works in _plan(subject, given):
                case.run(kind, batch, works)
            case.close()


def _plan(subject: Subject, given: argparse.Namespace) -> Iterator[tuple[str, int, list[Work]]]:
    schemas = given.schemas if subject.small else 4
    for batch in given.batches:
        yield "json", batch, list(extractions(2 if given.quick else schemas, batch))
        yield "regex", batch, list(patterns(batch))[: 2 if given.quick else None]
        yield "grammar", batch, list(grammars(batch))[: 1 if given.quick else None]


class Case:
    """All engines on one model."""

    def __init__(
        self,
        results: Rows,
        subject: Subject,
        make: Callable[[], Subject],
        guidance: str | None,
        wanted: Iterable[str],
    ) -> None:
        self._results, self._subject = results, subject
        self._max_tokens = MAX_TOKENS if subject.small else MAX_TOKENS_LARGE
        self._engines: dict[str, Apart] = {}
        for name in wanted:
            say(f"peers: {subject.name}, making {name}")
            try:
                self._engines[name] = Apart(name, make, guidance)
            except Skipped as reason:
                results.add({"model": subject.name, "engine": name}, note=f"Skipped: {reason}")

    def close(self) -> None:
        """End the engines."""
        for engine in self._engines.values():
            engine.close()

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
        for engine in self._engines.values():
            engine.warm(work, [self._asked(work.prompts[0])])

    def _play(self, name: str, work: Work, asked: list[Asked], score: Score) -> None:
        if score.spent() > _PATIENCE_S:
            score.notes[work.name] = f"Stopped after {_PATIENCE_S:.0f} s."
            return
        try:
            played = self._engines[name].play(work, asked, self._max_tokens)
        except Skipped as reason:
            score.notes[work.name] = str(reason)
            return
        outcomes = () if name in FREE else tuple(_outcomes(work, played.said))
        score.done[work.name] = Done(played, outcomes)

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
        if both and name not in FREE and (rate := score.valid_per_s(both)):
            figures["all valid_per_s"] = spread([rate])
            if name != "tether":
                ratios[f"tether/{name} all"] = spread([ours.valid_per_s(both) / rate])
        if score.done:
            figures["compile_s"] = spread(w.played.compile_s for w in score.done.values())
            figures["setup_s"] = spread([self._engines[name].setup_s])
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


if __name__ == "__main__":
    main()
