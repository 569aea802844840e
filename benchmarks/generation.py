"""What becomes of real schemas when text is written under them: valid, refused, or out of room?

python benchmarks/generation.py --data visible.jsonl.gz               # random choices, all schemas
python benchmarks/generation.py --data visible.jsonl.gz --writer shipped --sample 300

The writer "random" is no model: of the allowed tokens of a 131,072-token vocabulary it takes any,
from a seed. "shipped" is the shipped model, greedy, through the decode loop, several schemas in a
batch. Every text is judged by jsonschema-rs on the schema as the file has it. Whatever writes,
the CPU time of the oracle is taken apart: `judge_share` is its part of the whole run's,
`judge_share_of_a_row` the mean over rows of its part of a row's, where rows are written one by one.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
from mask_engines import LLGuidance, Refused, empty_mask
from rows import Rows, say
from timing import spreads

from tether.errors import DeadEnd, LimitReached, TetherError, Unsatisfiable
from tether.grammars import Vocabulary, json_schema
from tether.grammars.constraint import Constraint, Matcher, allowed_ids
from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.judge import JsonJudge

Case = dict[str, Any]


@dataclass(slots=True)
class Written:
    """What came of one schema.

    Attributes:
        name: Of the schema.
        verdict: "valid", "invalid", or why there is no text.
        message: For people.
        steps: Choices made.
        kept: Tokens of the text.
        judge_s: CPU seconds of the oracle.
        cpu_s: CPU seconds in all; 0 where rows were written together.
    """

    name: str
    verdict: str
    message: str = ""
    steps: int = 0
    kept: int = 0
    judge_s: float = 0.0
    cpu_s: float = 0.0


class JudgeClock:
    """CPU seconds spent in the judge of growing texts and in the last word about whole ones."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for name in ("advance", "accepts"):
            setattr(JsonJudge, name, self._timed(getattr(JsonJudge, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:  # noqa: ANN401
            began = time.thread_time()
            try:
                return function(*args)
            finally:
                self.seconds += time.thread_time() - began

        return timed


def main() -> int:
    """Write a text under every schema asked for; a row for all of them."""
    given = _parser().parse_args()
    clock, began = JudgeClock(), time.process_time()
    cases = _cases(given.data, given.sample, given.seed)
    write = _random if given.writer == "random" else _shipped
    vocabulary, written = write(cases, given, clock)
    spent = time.process_time() - began
    strict = LLGuidance(vocabulary)
    hard = {case["name"] for case in cases if not _holds(strict, case)}
    shares = [text.judge_s / text.cpu_s for text in written if text.cpu_s]
    figures = _figures(written, hard) | {
        "judge_share": clock.seconds / spent,
        **({"judge_share_of_a_row": sum(shares) / len(shares)} if shares else {}),
        "cpu_s": spent,
    }
    for text in written:
        if text.verdict != "valid":
            say(f"{text.verdict} {text.name}: {text.message[:300]}")
    settings = {"data": given.data.name, "budget": given.budget, "seed": given.seed,
                "slots": given.slots if given.writer == "shipped" else 1,
                "vocabulary": vocabulary.size}  # fmt: skip
    results = Rows("generation", quick=False, path=given.out)
    results.add({"writer": given.writer}, spreads([figures]), settings=settings)
    print(json.dumps({"writer": given.writer, **figures}))
    return int(any(text.verdict == "invalid" for text in written))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help=".jsonl.gz of MaskBench")
    parser.add_argument("--writer", choices=("random", "shipped"), default="random")
    parser.add_argument("--sample", type=int, default=0, help="so many schemas; 0: all")
    parser.add_argument("--slots", type=int, default=16, help="rows of the model at a time")
    parser.add_argument("--budget", type=int, default=512, help="tokens of a text")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and the choices")
    parser.add_argument("--out", type=Path, help="file of rows in place of results/")
    return parser


def _cases(path: Path, sample: int, seed: int) -> list[Case]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    return random.Random(seed).sample(cases, sample) if sample else cases


def _random(
    cases: list[Case], given: argparse.Namespace, clock: JudgeClock
) -> tuple[Vocabulary, list[Written]]:
    import tekken

    vocabulary, written = tekken.vocabulary(), list[Written]()
    for number, case in enumerate(cases):
        began, before = time.thread_time(), clock.seconds
        written.append(_write(case, vocabulary, given.budget, f"{given.seed} {case['name']}"))
        written[-1].cpu_s, written[-1].judge_s = time.thread_time() - began, clock.seconds - before
        if (number + 1) % 100 == 0:
            say(f"generation: {number + 1} of {len(cases)} schemas")
    return vocabulary, written


def _write(case: Case, vocabulary: Vocabulary, budget: int, seed: str) -> Written:
    """A text of random choices under one schema."""
    chosen, text = random.Random(seed), Written(case["name"], "")
    try:
        constraint = json_schema(case["schema"], vocabulary, bounds=Bounds())
        tokens = list(_choices(constraint.start(), budget, chosen, text))
    except TetherError as error:
        text.verdict, text.message = _kind(error), str(error)
        return text
    text.kept = len(tokens)
    _judge(text, case, vocabulary.decode(tokens), constraint)
    return text


def _choices(matcher: Matcher, budget: int, chosen: random.Random, text: Written) -> list[int]:
    """As the decode loop does it: what is forced, else a choice; then back where that is asked."""
    matcher.limit(budget)
    mask, tokens = empty_mask(matcher.vocabulary), list[int]()
    while not matcher.ended and len(tokens) < budget:
        run = matcher.forced()
        if not run:
            matcher.fill_mask(mask)
            text.steps += 1
            run = [int(chosen.choice(allowed_ids(mask)))]
        if run == [matcher.vocabulary.eos_id]:
            return tokens
        for token in run:
            matcher.advance(token)
        tokens += run
        taken = matcher.retreat()
        del tokens[len(tokens) - taken :]
    if not matcher.can_end:
        raise LimitReached(f"The limit of {budget} tokens came first.")
    return tokens


def _shipped(
    cases: list[Case], given: argparse.Namespace, clock: JudgeClock
) -> tuple[Vocabulary, list[Written]]:
    """Texts of the shipped model, each prompted with the schema's first valid instance."""
    from tether.decoding import models
    from tether.decoding.loop import Loop

    model = models.load(None)
    texts = {case["name"]: Written(case["name"], "") for case in cases}
    constraints: dict[str, Constraint] = {}
    requests = _requests(cases, model, given.budget, texts, constraints)
    began, before = time.process_time(), clock.seconds
    for result in Loop(model, slots=given.slots).run(requests):
        text = texts[result.key]
        text.steps, text.kept = result.stats.forwards, result.stats.output_tokens
        if result.finish == "stop":
            case = next(case for case in cases if case["name"] == result.key)
            _judge(text, case, result.text, constraints[result.key])
        else:
            text.verdict, text.message = result.finish, result.message
        if given.slots == 1:
            text.cpu_s, text.judge_s = time.process_time() - began, clock.seconds - before
            began, before = time.process_time(), clock.seconds
    return model.vocabulary, list(texts.values())


def _requests(
    cases: Iterable[Case],
    model: Any,  # noqa: ANN401
    budget: int,
    texts: dict[str, Written],
    constraints: dict[str, Constraint],
) -> Iterator[Any]:
    from tether.decoding.prompt import Prompt, encode
    from tether.decoding.request import Request

    for case in cases:
        name, shown = case["name"], [t["data"] for t in case["tests"] if t["valid"]]
        prompt = json.dumps(shown[:1], ensure_ascii=False)[:400]
        try:
            constraint = json_schema(case["schema"], model.vocabulary, bounds=Bounds())
            tokens = encode(model, Prompt(prompt))
        except TetherError as error:
            texts[name].verdict, texts[name].message = _kind(error), str(error)
            continue
        constraints[name] = constraint
        yield Request(name, tokens, constraint, max_tokens=budget)


def _judge(text: Written, case: Case, output: str, constraint: Constraint) -> None:
    """By the library itself on the schema itself, and by what prints the text."""
    refusal = constraint.validate(output)
    try:
        judge: Any = jsonschema_rs.validator_for(case["schema"], validate_formats=True)
        is_valid = bool(judge.is_valid(json.loads(output)))
    except ValueError:  # a schema or a number that only our own judge takes: `refusal` decides
        is_valid = True
    text.verdict = "valid" if is_valid and refusal is None else "invalid"
    text.message = refusal or output[:200]


def _kind(error: TetherError) -> str:
    kinds = {Unsatisfiable: "unsatisfiable", LimitReached: "limit", DeadEnd: "dead_end"}
    return kinds.get(type(error), "refused")


def _holds(engine: LLGuidance, case: Case) -> bool:
    try:
        engine.compile(json.dumps(case["schema"]))
    except Refused:
        return False
    return True


def _figures(written: list[Written], hard: set[str]) -> dict[str, float]:
    """Counts by verdict, and steps per kept token; also on what strict llguidance refuses."""
    counts = Counter(text.verdict for text in written)
    valid = [text for text in written if text.verdict == "valid" and text.kept]
    on_hard = [text for text in valid if text.name in hard]
    return {
        "schemas": len(written),
        **{key: count for key, count in sorted(counts.items())},
        "steps_per_token": _cost(valid),
        "hard_schemas": len(on_hard),
        "hard_steps_per_token": _cost(on_hard),
    }


def _cost(texts: list[Written]) -> float:
    """Choices made for each token kept, over all texts together."""
    return sum(text.steps for text in texts) / max(1, sum(text.kept for text in texts))


if __name__ == "__main__":
    sys.exit(main())
