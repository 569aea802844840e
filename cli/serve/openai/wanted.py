"""A request of OpenAI's HTTP interface in our words.

What a batch file may hold means the same here (see `tether.cli.batches.openai_rows`); on top come
what only a live answer has, and vLLM's guided fields. What cannot be honoured is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tether.cli.batches import openai_rows
from tether.cli.batches.openai_messages import only
from tether.cli.batches.openai_tools import Call
from tether.cli.batches.rows import Row
from tether.cli.kinds import JsonValue
from tether.cli.said import Said
from tether.cli.session import Task
from tether.cli.tasks import TaskMaker
from tether.errors import UsageError
from tether.grammars.arguments import grammar_kind
from tether.grammars.spec import Spec
from tether.grounding.chances import Chances

_GUIDED = ("guided_json", "guided_regex", "guided_choice", "guided_grammar")
_LIVE = ("n", "stream", "stream_options", "logprobs", "top_logprobs", *_GUIDED)
_COMPLETION = ("prompt", "echo", "best_of", "suffix")
_NEUTRAL: dict[str, tuple[Any, ...]] = {"echo": (False,), "best_of": (1,), "suffix": ("",)}
_MOST_ANSWERS = 128
_MOST_BEST = {"chat": 20, "text": 5}

Kind = Literal["chat", "text"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for.

    Attributes:
        kind: Of the answer: a message, or a text.
        prompts: One a text; of a chat one, which `row` holds.
        num_answers: To each prompt.
        row: The request as the row of a batch.
        said: What may be said, where it is a grammar's text.
        call: The function whose arguments are the answer.
        num_best: Likeliest tokens to tell with each token; None tells no log-probabilities.
        stream: Whether the answer comes piece by piece.
        usage: Whether a stream ends with the counts.
    """

    kind: Kind
    prompts: tuple[str, ...]
    num_answers: int
    row: Row
    said: Said | None
    call: Call | None
    num_best: int | None
    stream: bool
    usage: bool

    def tasks(self, maker: TaskMaker) -> list[Task]:
        """The tasks, in the order of the answers; the place of each is its `origin`.

        Raises:
            TetherError: One cannot be run.
        """
        count = len(self.prompts) * self.num_answers
        return [self._task(maker, place) for place in range(count)]

    def _task(self, maker: TaskMaker, place: int) -> Task:
        turn = place % self.num_answers
        prompt = self.prompts[place // self.num_answers]
        # The first answer has the key that a command has, and so its noise.
        row = replace(self.row, index=place, id=str(turn or ""), fields={"prompt": prompt})
        task = maker.task(row, place)
        if task.error is not None:
            raise task.error
        watchers = () if self.num_best is None else (Chances(self.num_best),)
        return replace(task, said=self.said or task.said, watchers=watchers)


def chat(body: Mapping[str, Any]) -> Wanted:
    """Read the body of a chat completion.

    Raises:
        UsageError: It asks for what is not offered.
    """
    wanted = body.get("logprobs") or False
    if not isinstance(wanted, bool):
        raise UsageError("`logprobs` is not true or false.", pointer="logprobs")
    best = body.get("top_logprobs")
    if best is not None and not wanted:
        raise UsageError("`top_logprobs` needs `logprobs`.", pointer="top_logprobs")
    most = _MOST_BEST["chat"]
    return _wanted("chat", body, (), _count(best or 0, "top_logprobs", most) if wanted else None)


def text(body: Mapping[str, Any]) -> Wanted:
    """Read the body of a completion; its prompt is the whole input, without a chat template.

    Raises:
        UsageError: It asks for what is not offered.
    """
    prompt = body.get("prompt")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, list) or not all(isinstance(one, str) for one in prompts):
        raise UsageError("`prompt` is not text.", hint="Send a text, or a list of texts.")
    if not prompts or len(prompts) > _MOST_ANSWERS:
        raise UsageError(f"`prompt` has {len(prompts)} texts.", hint=f"1 to {_MOST_ANSWERS}.")
    for key, allowed in _NEUTRAL.items():
        if body.get(key) is not None and body[key] not in allowed:
            raise UsageError(f"`{key}` = {json.dumps(body[key])} is not offered.", pointer=key)
    if "messages" in body:
        raise UsageError("A completion has a `prompt` and no `messages`.", pointer="messages")
    rest = {key: value for key, value in body.items() if key not in _COMPLETION}
    best = rest.get("logprobs")
    number = None if best is None else _count(best, "logprobs", _MOST_BEST["text"])
    return _wanted("text", rest, tuple(prompts), number)


def _wanted(
    kind: Kind, body: Mapping[str, Any], prompts: tuple[str, ...], num_best: int | None
) -> Wanted:
    shared = {key: value for key, value in body.items() if key not in _LIVE}
    if kind == "text":
        shared["messages"] = [{"role": "user", "content": "."}]
    request = openai_rows.parse({"custom_id": "", "body": shared})
    overrides = dict(request.overrides)
    if kind == "text":
        overrides["raw_prompt"] = True
    guided, said = _guided(body)
    if guided is not None or said is not None:
        if "schema" in overrides:
            raise UsageError("A guided field and `response_format` or tools exclude each other.")
        overrides |= guided or {}
    row = Row(0, 0, "", request if kind == "chat" else None, {}, overrides)
    answers = body.get("n")
    number = 1 if answers is None else _count(answers, "n", _MOST_ANSWERS, least=1)
    if number * len(prompts) > _MOST_ANSWERS:
        raise UsageError(f"More than {_MOST_ANSWERS} answers are asked for.", pointer="n")
    return Wanted(
        kind, prompts or (request.said.prompt,), number, row, said, request.call, num_best,
        *_stream(body),
    )  # fmt: skip


def _stream(body: Mapping[str, Any]) -> tuple[bool, bool]:
    stream, options = body.get("stream"), body.get("stream_options")
    if not (stream is None or isinstance(stream, bool)):
        raise UsageError("`stream` is not true or false.", pointer="stream")
    if options is None:
        return bool(stream), False
    if not stream or not isinstance(options, dict):
        raise UsageError("`stream_options` is an object that needs `stream`.")
    only(options, ("include_usage", "include_obfuscation"), "stream_options.")
    return True, bool(options.get("include_usage"))


def _guided(body: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Said | None]:
    """The setting that a guided field is, or the grammar; never a path, whatever it looks like.

    Raises:
        UsageError: There are two, or one is not what it should be.
    """
    named = [key for key in _GUIDED if body.get(key) is not None]
    if len(named) > 1:
        raise UsageError(f"`{named[0]}` and `{named[1]}` both say what may be said.")
    if not named:
        return None, None
    value = body[named[0]]
    if named[0] == "guided_json":
        return {"schema": _schema(value)}, None
    if named[0] == "guided_choice":
        return {"choices": value}, None
    if not isinstance(value, str):
        raise UsageError(f"`{named[0]}` is not a text.", pointer=named[0])
    if named[0] == "guided_regex":
        return {"regex": value}, None
    return {}, Said(Spec(grammar_kind(value), value))


def _schema(value: JsonValue) -> dict[str, Any]:
    try:
        schema = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise UsageError("`guided_json` is not a JSON Schema object.", pointer="guided_json")
    return schema


def _count(value: JsonValue, key: str, most: int, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise UsageError(f"`{key}` is no number from {least} to {most}.", pointer=key)
    return value
