"""Short answers that a row's own model gives beside the row, to serve it. Greedy, so repeatable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tether.cli.said import Said
from tether.decoding.prompt import Prompt
from tether.decoding.request import Request
from tether.errors import LimitReached, UsageError
from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tether.cli.engine import Engine
    from tether.types import Json


TOKENS = 256
"""The most for a short answer."""

_ANSWER_SHARE = 4


def spec_of(schema: Json) -> Spec:
    """A schema as the constraint of an answer."""
    return Spec.from_schema(schema, bounds=Bounds())


def prompt_of(engine: Engine, asked: str, shown: Sequence[str], spec: Spec) -> Prompt:
    """What is asked about the passages for which there is room, with the form of the answer."""
    fields = Said(spec).fields(short=engine.reads_fields)
    prompts = (Prompt(asked, tuple(shown[:n]), fields=fields) for n in range(len(shown), 0, -1))
    return next((p for p in prompts if fits(engine, p, TOKENS)), Prompt(asked, fields=fields))


def fits(engine: Engine, prompt: Prompt, num_tokens: int) -> bool:
    """Whether a prompt leaves room for so many tokens, or for a quarter of the positions."""
    try:
        ids = engine.encode(prompt)
    except UsageError:  # longer than the model's positions
        return False
    most = engine.max_positions
    return len(ids) + min(num_tokens, most // _ANSWER_SHARE) <= most


def answer(engine: Engine, prompt: Prompt, spec: Spec, limit: int = TOKENS) -> Any:  # noqa: ANN401
    """The JSON value that the model says.

    Args:
        engine: Decodes it, beside whatever it decodes already.
        prompt: What is asked.
        spec: The form of the answer.
        limit: The most tokens.

    Raises:
        LimitReached: It could not be finished.
        UsageError: The prompt is longer than the model's positions.
    """
    request = Request("", engine.encode(prompt), engine.compile(spec), max_tokens=limit)
    (result,) = engine.run([request], slots=1)
    if result.finish != "stop":
        raise LimitReached(
            f"A step beside the row could not be finished: {result.message}",
            hint="Use smaller passages, or leave --structure and --research out.",
        )
    return json.loads(result.text)
