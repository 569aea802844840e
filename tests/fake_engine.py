"""An engine that says what its prompt tells it to, so that the face is tested without a model.

The prompt is JSON: `{"say": "...", "finish": "stop", "thought": "", "steps": 3}`, or a plain text,
which is said back. Each step is one token; rows in the slots take turns, as in the real loop.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tether import errors
from tether.cli import engine
from tether.decoding.prompt import Prompt
from tether.decoding.request import Delta, Request, Result, RowStats
from tether.decoding.waiting import Waiting
from tether.errors import UsageError
from tether.grounding.witness import Gaze


@dataclass
class FakeConstraint:
    """Accepts what the oracle of the schema, the regex or the choices accepts."""

    spec: Any

    def validate(self, text: str) -> str | None:
        """Refuse one text, to test what happens then."""
        return "it says INVALID" if "INVALID" in text else None


@dataclass
class _Slot:
    request: Request
    script: dict[str, Any]
    left: int


class FakeEngine:
    """Scripted; `seen` and `compiled` are what it was asked for."""

    name = "fake"
    fingerprint = "0" * 16
    num_tokens = 100
    max_positions = 4096
    reads_fields = True
    others: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, delay: float = 0.0) -> None:
        self.description: dict[str, Any] = {"device": "cpu", "dtype": "float32"}
        self.delay = delay
        self.prompts: dict[int, Prompt] = {}
        self.seen: list[Request] = []
        self.compiled: list[Any] = []
        self.keep = True
        self.says_yes = 1.0
        self.ahead = 1

    def sources(
        self, grounds: Any, ids: Any, prompt: Prompt, index: Any = None, graph: Any = None
    ) -> tuple[()]:
        """A script needs no evidence."""
        return ()

    def gaze(self, ids: Any, prompt: Prompt) -> Gaze:
        """Sees nothing, since nothing is chosen."""
        return Gaze([np.arange(0)] * len(prompt.passages), ())

    def odds(self, prompt: Prompt, spec: Any, yes: bytes, no: bytes) -> float:
        """Whatever the script says."""
        return self.says_yes

    def compile(self, spec: Any) -> Any:
        """A constraint that accepts all but INVALID."""
        self.compiled.append(spec)
        return FakeConstraint(spec)

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """The code points of the text; the prompt is kept by its number."""
        if not prompt.text.strip() and not prompt.passages:
            raise UsageError("The prompt is empty.")
        number = len(self.prompts)
        self.prompts[number if self.keep else -1] = prompt
        return (number, *map(ord, prompt.text))

    def run(
        self, requests: Iterable[Request], *, slots: int, ahead: int = 1, on_delta: Any = None
    ) -> Iterator[Result]:
        """Rows take turns, one step each; results come as rows end."""
        self.ahead = ahead
        waiting = Waiting(iter(requests), ahead)
        source = iter(waiting.take, None)
        running: list[_Slot] = []
        while True:
            while len(running) < slots and (request := next(source, None)) is not None:
                if self.keep:
                    self.seen.append(request)
                if not request.prompt:
                    yield result(request, {"say": "", "finish": "error"})
                    continue
                script = scripted("".join(map(chr, request.prompt[1:])))
                if script.get("interrupt"):
                    raise KeyboardInterrupt
                if "raises" in script:
                    raise getattr(errors, script["raises"])("The script says so.")
                running.append(_Slot(request, script, script.get("steps", 1)))
            if not running:
                return
            if self.delay:
                time.sleep(self.delay)
            for slot in list(running):
                slot.left -= 1
                if slot.left <= 0:
                    running.remove(slot)
                    yield from finished(slot, on_delta)


def finished(slot: _Slot, on_delta: Any) -> Iterator[Result]:
    """The deltas and the result of a row that ends."""
    if on_delta is not None:
        for char in slot.script.get("thought", ""):
            on_delta(Delta(slot.request.key, "thought", char))
        for char in slot.script.get("say", ""):
            on_delta(Delta(slot.request.key, "text", char))
    yield result(slot.request, slot.script)


def scripted(text: str) -> dict[str, Any]:
    """The script that a prompt is, or one that says it back."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) and "say" in value else {"say": text}


def result(request: Request, script: dict[str, Any]) -> Result:
    """What the script says became of the row."""
    say = script["say"]
    return Result(
        key=request.key,
        text=say,
        thought=script.get("thought", ""),
        tokens=(),
        finish=script.get("finish", "stop"),
        message=script.get("message", ""),
        stats=RowStats(
            len(request.prompt), len(say), 0, 0, len(say), script.get("taken_back", 0), 0.25, 0.5
        ),
    )


def install(delay: float = 0.0) -> FakeEngine:
    """Let this process's commands run on a fake engine."""
    fake = FakeEngine(delay)
    engine.load = lambda settings: fake
    return fake
