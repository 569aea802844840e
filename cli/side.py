"""Short answers that a row's own model gives beside the row, to serve it. Greedy, so repeatable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tether.cli.said import Said
from tether.decoding.prompt import Prompt
from tether.decoding.request import Request
from tether.errors import LimitReached
from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tether.cli.engine import Engine
    from tether.types import Json


def spec_of(schema: Json) -> Spec:
    """A schema as the constraint of an answer."""
    return Spec.from_schema(schema, bounds=Bounds())


def prompt_of(engine: Engine, asked: str, shown: Sequence[str], spec: Spec) -> Prompt:
    """What is asked about some passages, with the form of the answer."""
    fields = Said(spec).fields(short=engine.reads_fields)
    return Prompt(asked, tuple(shown), fields=fields)


def answer(engine: Engine, prompt: Prompt, spec: Spec, limit: int) -> Any:  # noqa: ANN401
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
