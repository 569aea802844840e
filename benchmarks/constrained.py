"""Tokens a second and valid answers under the same JSON schemas: tether and three others.

See engines.py for who takes part. Same weights, prompts and schemas, greedy, at most 128 new tokens
(64 on the large model), batch 1 and 16. Rows that hit the limit are counted, and so are answers
that the schema refuses (jsonschema-rs judges, formats asserted). Compiling is timed apart.
`chars_per_s` counts characters: engines may cut the same text into other tokens.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import schemas
import subjects
import torch
from engines import Asked, Engine, Tether, XGrammar
from outlines_engine import Outlines, OutlinesLLGuidance
from rows import Rows, Skipped, options, say
from schemas import Schema
from subjects import Subject
from timing import Figures, Rounds, Run, alternate, ratio, spread, spreads

from tether.decoding.prompt import Prompt, encode, render
from tether.grammars.json_schema.oracle import Oracle

MAX_TOKENS = 128
_MAX_TOKENS_LARGE = 64  # a random model stops at the limit whatever it is, so for time
_COMPILE_LIMIT_S = 45.0
_BUDGET_S = 20.0  # a case

Plan = dict[str, tuple[int, ...]]  # schema name -> batch sizes


def main() -> None:
    """Measure both subjects; the large one on less, for time."""
    chosen = options(__doc__)
    results = Rows("constrained", quick=chosen.quick)
    for subject in subjects.at_hand([partial(subjects.shipped, chosen), subjects.random_130m]):
        Measurement(results, subject, quick=chosen.quick).run(_plan(subject, chosen.quick))


def _plan(subject: Subject, quick: bool) -> Plan:
    if not subject.small:
        return {"person": (1,)} if quick else {"person": (1, 16), "invoice": (1,)}
    names = ("person", "invoice") if quick else ("person", "flags", "order", "invoice")
    return dict.fromkeys(names, (1, 16))


class Measurement:
    """All engines on one subject."""

    def __init__(self, results: Rows, subject: Subject, *, quick: bool) -> None:
        self._results, self._subject = results, subject
        most = MAX_TOKENS if subject.small else _MAX_TOKENS_LARGE
        self._max_tokens, self._rounds = (8, 2) if quick else (most, 3)
        limit_s = 10.0 if quick else _COMPILE_LIMIT_S
        tokenizer = subject.load_tokenizer()
        makers: dict[str, Callable[[], Engine]] = {
            "tether": lambda: Tether(subject),
            "outlines": lambda: Outlines(subject, tokenizer, limit_s),
            "outlines-llguidance": lambda: OutlinesLLGuidance(subject, tokenizer, limit_s),
            "xgrammar": lambda: XGrammar(subject, tokenizer),
        }
        self._engines, self._setup_s = {}, {}
        for name, make in makers.items():
            began = time.perf_counter()
            self._engines[name] = make()
            self._setup_s[name] = time.perf_counter() - began

    def run(self, plan: Plan) -> None:
        """Compile and measure each schema at its batch sizes."""
        for name, batches in plan.items():
            schema = schemas.named(name)
            ready = self._compile(name, schema)
            for batch in batches:
                say(f"constrained: {self._subject.name}, {name}, batch {batch}")
                asked = _asked(self._subject, schema, batch)
                self._write(name, asked, self._measure(ready, schema, asked))

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
            spent = {"compile_s": spread([seconds]), "setup_s": spread([self._setup_s[name]])}
            self._results.add(case, spent)
        return ready

    def _measure(self, ready: dict[str, Engine], schema: Schema, asked: list[Asked]) -> Rounds:
        oracle, most = Oracle(schema), self._max_tokens
        return alternate(
            {name: _timed(engine, oracle, asked, most) for name, engine in ready.items()},
            repeats=self._rounds,
            budget_s=_BUDGET_S,
            warm={name: partial(engine.run, asked, 4) for name, engine in ready.items()},
        )

    def _write(self, schema_name: str, asked: list[Asked], rounds: Rounds) -> None:
        for name, measured in rounds.items():
            ratios = {
                f"tether/{name} {unit}": ratio(rounds["tether"], measured, unit)
                for unit in ("tokens_per_s", "chars_per_s")
            }
            case = {"model": self._subject.name, "schema": schema_name, "batch": len(asked)}
            settings = {
                "max_tokens": self._max_tokens,
                "prompt_tokens": [len(p.tokens) for p in asked],
                "threads": torch.get_num_threads(),
            }
            self._results.add(
                {**case, "engine": name},
                spreads(measured),
                {} if name == "tether" else ratios,
                settings=settings,
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
    names = ", ".join(schema["properties"])
    prompts = [Prompt(text, fields=names) for text in schemas.texts(count)]
    return [Asked(render(subject.lean, p), encode(subject.lean, p)) for p in prompts]


if __name__ == "__main__":
    main()
