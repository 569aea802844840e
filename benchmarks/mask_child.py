"""An engine in a process of its own: it may hang, crash or eat memory, and the run goes on."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from mask_engines import MaskEngine
from mask_walk import Case, Outcome, outcome

from tether.grammars import Vocabulary

# Vocabulary and cases are inherited, so that a new child is ready at once.
_FORK = multiprocessing.get_context("fork")
_MEMORY = 8 << 30
_START_S = 120.0


class Child:
    """Outcomes of one engine, one schema at a time; killed at the time limit and started again.

    Args:
        make: The engine's constructor, called in the child.
        vocabulary: The tokens.
        cases: What can be asked for, by index.
        timeout_s: Of one schema, compiling and walking.
    """

    def __init__(
        self,
        make: Callable[[Vocabulary], MaskEngine],
        vocabulary: Vocabulary,
        cases: Sequence[Case],
        timeout_s: float,
    ) -> None:
        self._inherited = (make, vocabulary, cases)
        self._name_of, self._timeout_s = [case["name"] for case in cases], timeout_s
        self._start()

    def ask(self, index: int) -> Outcome:
        """The outcome of one case."""
        self._pipe.send(index)
        try:
            if self._pipe.poll(self._timeout_s):
                answer: Outcome = self._pipe.recv()
                return answer
            failed = Outcome(self._name_of[index], "timeout", f"over {self._timeout_s:g} s")
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            failed = Outcome(self._name_of[index], "crash", f"the process ended with {code}")
        self.stop()
        self._start()
        return failed

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        self._pipe, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=_serve, args=(theirs, *self._inherited), daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(_START_S):
            raise RuntimeError("the engine does not start")
        self._pipe.recv()


def _serve(
    pipe: Connection,
    make: Callable[[Vocabulary], MaskEngine],
    vocabulary: Vocabulary,
    cases: Sequence[Case],
) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # engines warn there; an answer says what counts
    engine = make(vocabulary)
    gc.freeze()  # what is inherited is not the engine's garbage
    pipe.send("ready")
    while True:
        case = cases[pipe.recv()]
        try:
            answer = outcome(engine, vocabulary, case)
        except Exception as error:  # whatever an engine raises is a crash of that engine
            answer = Outcome(case["name"], "crash", f"{type(error).__name__}: {error}")
        pipe.send(answer)
