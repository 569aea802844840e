"""guidance's own loop, in a child process: it wants another llguidance than tether's.

`--guidance PYTHON` names an interpreter that has `guidance`, `torch` and `transformers<5` (guidance
0.3.1 calls what 5 took away). It decodes one prompt at a time; the child times itself, so the pipe
between costs it nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

from engines import Asked, Said
from rows import Skipped
from subjects import Subject
from works import Work

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class Guidance:
    """See `engines.Engine`."""

    def __init__(self, subject: Subject, tokenizer: PreTrainedTokenizerFast, python: str) -> None:
        self._tokenizer = tokenizer
        self._folder = tempfile.TemporaryDirectory()
        subject.library.save_pretrained(self._folder.name)
        tokenizer.save_pretrained(self._folder.name)
        child = Path(__file__).with_name("guidance_child.py")
        # -P: the child must not find our files by the names of its packages.
        self._child = subprocess.Popen(
            [python, "-P", str(child), self._folder.name, str(tokenizer.eos_token)],
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        self._answer()  # loaded

    def compile(self, work: Work) -> float:
        """See Engine; guidance compiles when it runs, so the time is in the first answer."""
        # Its older llguidance knows one of the two ways to write a repetition.
        rule = re.sub(r"~(\d+)\.\.(\d+)", r"{\1,\2}", work.rule)
        self._work = {"kind": work.kind, "rule": rule if work.kind == "grammar" else work.rule}
        return 0.0

    def run(self, asked: list[Asked], max_tokens: int) -> Said:
        """See Engine."""
        prompts = [prompt.text for prompt in asked]
        said = self._ask({**self._work, "prompts": prompts, "max_tokens": max_tokens})
        if "error" in said:
            raise Skipped(f"guidance fails: {said['error']}")
        counts = [len(ids) for ids in self._tokenizer(said["texts"])["input_ids"]]
        limited = [count >= max_tokens for count in counts]
        return Said(said["texts"], counts, limited, said["seconds"])

    def close(self) -> None:
        """End the child."""
        self._child.terminate()
        self._child.wait()
        self._folder.cleanup()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None, "it is a pipe"
        self._child.stdin.write(json.dumps(question) + "\n")
        self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None, "it is a pipe"
        line = self._child.stdout.readline()
        if not line:
            raise Skipped("guidance's process ended; see its message above.")
        answer: dict[str, Any] = json.loads(line)
        return answer
