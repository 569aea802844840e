"""One schema of MaskBench through one engine: which instances it takes, and what a token costs.

An instance is taken when every token is in the mask of its turn and the text may end after the
last one. Times are CPU times of this thread: what others do on the machine is not in them.
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mask_engines import MaskEngine, Refused, Walker, empty_mask

from tether.grammars import Vocabulary

Case = dict[str, Any]
"""A line of the data: name, schema, tests."""
Status = Literal["walked", "refused", "timeout", "crash"]
_SHOWN = 40


@dataclass(slots=True)
class Outcome:
    """What came of one schema.

    Attributes:
        name: Of the schema.
        status: "walked" where all instances were walked to a verdict.
        reason: Why it was not walked.
        rejects: The valid instances that were refused, a sentence each.
        accepts: The invalid instances that were taken, a sentence each.
        compile_ms: From the schema's text to what starts texts under it.
        ready_ms: From the schema's text to the first state: engines may put work off until then.
        steps_us: One mask and, where the mask holds the token, one advance; all instances.
    """

    name: str
    status: Status = "walked"
    reason: str = ""
    rejects: list[str] = field(default_factory=list)
    accepts: list[str] = field(default_factory=list)
    compile_ms: float = 0.0
    ready_ms: float = 0.0
    steps_us: array[float] = field(default_factory=lambda: array("f"))

    @property
    def passed(self) -> bool:
        """Whether every verdict was right."""
        return self.status == "walked" and not self.rejects and not self.accepts


def outcome(engine: MaskEngine, vocabulary: Vocabulary, case: Case) -> Outcome:
    """Compile the schema of `case` and walk its instances."""
    result = Outcome(case["name"])
    schema = json.dumps(case["schema"], ensure_ascii=False)
    began = time.process_time_ns()  # of all threads: a compiler may use several
    try:
        start = engine.compile(schema)
    except Refused as refusal:
        return Outcome(case["name"], "refused", str(refusal))
    result.compile_ms = (time.process_time_ns() - began) / 1e6
    start()
    result.ready_ms = (time.process_time_ns() - began) / 1e6
    for number, test in enumerate(case["tests"]):
        _judge(result, start, vocabulary, number, test)
    return result


def _judge(
    result: Outcome, start: Callable[[], Walker], vocabulary: Vocabulary, number: int, test: Case
) -> None:
    text = json.dumps(test["data"], indent=None, ensure_ascii=False)
    tokens = vocabulary.speller.spell(text.encode())
    tokens.append(vocabulary.eos_id)
    taken = walk(start(), vocabulary, tokens, result.steps_us)
    if test["valid"] and taken < len(tokens):
        before = vocabulary.decode(tokens[:taken])[-_SHOWN:]
        after = vocabulary.decode(tokens[taken:])[:_SHOWN] or "the end"
        result.rejects.append(f"test {number}: after {before!r} no {after!r}")
    elif not test["valid"] and taken == len(tokens):
        result.accepts.append(f"test {number}: {test.get('description', '')}")


def walk(
    walker: Walker, vocabulary: Vocabulary, tokens: Sequence[int], steps_us: array[float]
) -> int:
    """How many of `tokens`, the end token last, are in the mask of their turn."""
    mask, clock = empty_mask(vocabulary), time.thread_time_ns
    for taken, token in enumerate(tokens):
        began = clock()
        walker.fill_mask(mask)
        allowed = int(mask[token >> 5]) >> (token & 31) & 1
        if allowed and token != vocabulary.eos_id:
            walker.advance(token)
        steps_us.append((clock() - began) / 1000)
        if not allowed:
            return taken
    return len(tokens)
