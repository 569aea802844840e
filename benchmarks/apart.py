"""Engines in processes of their own: none gains or loses by what another does to its process.

A child makes its own model, times what it is asked to do, and answers through a pipe.
"""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

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
from rows import Skipped
from subjects import Subject
from works import Work

from tether.decoding.models import heap

NAMES = (
    "tether", "outlines", "outlines-llguidance", "outlines-xgrammar", "xgrammar", "llguidance",
    "lm-format-enforcer", "unconstrained", "continuous-batching", "guidance",
)  # fmt: skip
_COMPILE_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Played:
    """What an engine said under one rule, and how long it took.

    Attributes:
        run_s: Seconds of generating; `compile_s` came before.
        cpu_s: CPU seconds of both; 0 where a further process did it.
    """

    said: Said
    compile_s: float
    run_s: float
    cpu_s: float


class Apart:
    """An engine in a child process.

    Attributes:
        setup_s: Seconds of making the engine, its model left out.

    Args:
        name: Of `NAMES`.
        subject: Makes the model, in the child.
        guidance: The interpreter that has guidance, where there is one.

    Raises:
        Skipped: It is not installed, or cannot be made.
    """

    def __init__(self, name: str, subject: Callable[[], Subject], guidance: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        given = (theirs, name, subject, guidance)
        child = context.Process(target=_serve, args=given, daemon=True)
        child.start()
        theirs.close()
        self._child = child
        self.setup_s: float = self._answer()

    def warm(self, work: Work, asked: list[Asked]) -> None:
        """Do a little of everything, untimed."""
        self._ask("warm", replace(work), asked)

    def play(self, work: Work, asked: list[Asked], max_tokens: int) -> Played:
        """Compile a rule and answer all prompts at once under it.

        Raises:
            Skipped: The engine cannot hold it.
        """
        fresh = replace(work)  # what judges its outputs stays here
        played: Played = self._ask("play", fresh, asked, max_tokens)
        return played

    def close(self) -> None:
        """End the child."""
        self._pipe.close()
        self._child.join()

    def _ask(self, *question: object) -> Any:  # noqa: ANN401
        self._pipe.send(question)
        return self._answer()

    def _answer(self) -> Any:  # noqa: ANN401
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            raise Skipped("its process ended; see its message above") from error
        if isinstance(answer, Skipped):
            raise answer
        return answer


def _serve(pipe: Connection, name: str, make: Callable[[], Subject], guidance: str | None) -> None:
    """The child: make the engine, then do as it is asked until the pipe closes."""
    try:
        with ExitStack() as stack:
            if name != "tether":  # loading our model would set up the memory of the process
                stack.enter_context(patch.object(heap, "keep_memory"))
            subject = make()
        began = time.perf_counter()
        engine = _makers(subject, guidance)[name]()
        pipe.send(time.perf_counter() - began)
    except (Skipped, ImportError, KeyError) as reason:
        pipe.send(Skipped(str(reason)))
        return
    doing: dict[str, Callable[..., object]] = {
        "warm": partial(_warm, engine),
        "play": partial(_play, engine),
    }
    with suppress(EOFError):
        while True:
            what, *given = pipe.recv()
            try:
                pipe.send(doing[what](*given))
            except Skipped as reason:
                pipe.send(reason)


def _warm(engine: Engine, work: Work, asked: list[Asked]) -> None:
    with suppress(Skipped):
        engine.compile(work)
        engine.run(asked, 4)
    gc.collect()  # what was loaded is no work for the collector while the engine is timed
    gc.freeze()


def _play(engine: Engine, work: Work, asked: list[Asked], max_tokens: int) -> Played:
    cpu_began = time.process_time()
    compile_s = engine.compile(work)
    began = time.perf_counter()
    said = engine.run(asked, max_tokens)
    if said.seconds is not None:
        return Played(said, compile_s, said.seconds, 0.0)
    return Played(said, compile_s, time.perf_counter() - began, time.process_time() - cpu_began)


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
