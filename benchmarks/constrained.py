"""Tokens a second and valid answers under the same JSON schemas: tether and three others.

See engines.py for who takes part. Same weights, prompts and schemas, greedy, 128 new tokens at
most, batch 1 and 16. Rows that hit the limit are counted, and so are answers that the schema
refuses (jsonschema-rs judges, formats asserted). Compiling a schema is timed apart.

`chars_per_s` counts characters of answers: engines may cut the same text into other tokens, and
tether writes forced tokens without a forward of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import schemas
import subjects
from engines import Asked, Engine, Tether, XGrammar
from outlines_engine import Outlines, OutlinesLLGuidance
from rows import Options, Rows, Skipped, options, say
from schemas import Schema
from subjects import Subject
from timing import Figures, Rounds, Run, alternate, ratio, spread, spreads

from tether.decoding.prompt import Prompt, encode, render
from tether.grammars.json_schema.oracle import Oracle

BATCHES = (1, 16)
MAX_TOKENS = 128
_BUDGET_S = 30.0


def main() -> None:
    """Measure both subjects; the large one on two schemas only, for time."""
    chosen = options(__doc__)
    results = Rows("constrained", quick=chosen.quick)
    wanted = {**schemas.BUILT_IN, "invoice": schemas.invoice()}
    for subject in subjects.at_hand([partial(subjects.shipped, chosen), subjects.random_130m]):
        few = chosen.quick or not subject.small
        names = ("person", "invoice") if few else tuple(wanted)
        Measurement(results, subject, chosen).run({name: wanted[name] for name in names})


class Measurement:
    """All engines on one subject."""

    def __init__(self, results: Rows, subject: Subject, chosen: Options) -> None:
        self._results, self._subject, self._quick = results, subject, chosen.quick
        limit_s = 20.0 if chosen.quick else 60.0
        makers: dict[str, Callable[[], Engine]] = {
            "tether": lambda: Tether(subject),
            "outlines": lambda: Outlines(subject, limit_s),
            "outlines-llguidance": lambda: OutlinesLLGuidance(subject, limit_s),
            "xgrammar": lambda: XGrammar(subject),
        }
        self._engines, self._setup_s = {}, {}
        for name, make in makers.items():
            began = time.perf_counter()
            self._engines[name] = make()
            self._setup_s[name] = time.perf_counter() - began

    def run(self, wanted: dict[str, Schema]) -> None:
        """Compile and measure each schema at each batch size."""
        for name, schema in wanted.items():
            ready = self._compile(name, schema)
            for batch in BATCHES:
                say(f"constrained: {self._subject.name}, {name}, batch {batch}")
                asked = _asked(self._subject, schema, batch)
                self._write(name, asked, self._rounds(ready, schema, asked))

    def _compile(self, schema_name: str, schema: Schema) -> dict[str, Engine]:
        """The engines that hold the schema; a row for each."""
        ready = {}
        for name, engine in self._engines.items():
            case = {"model": self._subject.name, "schema": schema_name, "engine": name}
            try:
                seconds = engine.compile(schema)
            except Skipped as reason:
                self._results.add(case, note=str(reason))
                continue
            ready[name] = engine
            figures = {"compile_s": spread([seconds]), "setup_s": spread([self._setup_s[name]])}
            self._results.add(case, figures)
        return ready

    def _rounds(self, ready: dict[str, Engine], schema: Schema, asked: list[Asked]) -> Rounds:
        oracle = Oracle(schema)
        most = 8 if self._quick else MAX_TOKENS
        return alternate(
            {name: _timed(engine, oracle, asked, most) for name, engine in ready.items()},
            repeats=2 if self._quick else 3,
            budget_s=_BUDGET_S,
            warm={name: partial(engine.run, asked, 4) for name, engine in ready.items()},
        )

    def _write(self, schema_name: str, asked: list[Asked], rounds: Rounds) -> None:
        for name, measured in rounds.items():
            ratios = {
                f"tether/{name} {figure}": ratio(rounds["tether"], measured, figure)
                for figure in ("tokens_per_s", "chars_per_s")
            }
            self._results.add(
                {
                    "model": self._subject.name,
                    "schema": schema_name,
                    "batch": len(asked),
                    "engine": name,
                },
                spreads(measured),
                {} if name == "tether" else ratios,
                settings={
                    "max_tokens": 8 if self._quick else MAX_TOKENS,
                    "prompt_tokens": [len(prompt.tokens) for prompt in asked],
                },
            )


def _timed(engine: Engine, oracle: Oracle, asked: list[Asked], max_tokens: int) -> Run:
    def run() -> Figures:
        began = time.perf_counter()
        said = engine.run(asked, max_tokens)
        spent = time.perf_counter() - began
        return {
            "tokens_per_s": sum(said.counts) / spent,
            "chars_per_s": sum(map(len, said.texts)) / spent,
            "valid_share": sum(not oracle.complaint(t) for t in said.texts) / len(asked),
            "limit_share": said.limited / len(asked),
        }

    return run


def _asked(subject: Subject, schema: Schema, count: int) -> list[Asked]:
    """Documents of docs/examples, asking for the schema's properties by name."""
    fields = ", ".join(schema["properties"])
    prompts = [Prompt(text, fields=fields) for text in schemas.texts(count)]
    return [Asked(render(subject.lean, p), encode(subject.lean, p)) for p in prompts]


if __name__ == "__main__":
    main()
