"""The OpenAI batch file format: requests in, `chat.completion` objects out.

What cannot be honoured is refused in its row, never dropped; what cannot change the text
(`metadata`, `user`, ...) is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tether.cli.batches.openai_messages import Conversation, conversation, only
from tether.cli.batches.openai_tools import Call, called
from tether.cli.kinds import JsonValue
from tether.cli.numbers import dumps
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.decoding.request import RowStats

URL = "/v1/chat/completions"
TOP_KEYS = ("custom_id", "method", "url", "body")

SETTINGS = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repetition_penalty": "repetition_penalty",
    "seed": "seed",
    "logit_bias": "logit_bias",
}
"""Body keys that are settings of ours."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "logprobs": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
}
"""Body keys that are accepted only with a value that changes nothing."""

INERT = (
    "metadata", "user", "store", "service_tier", "safety_identifier", "prompt_cache_key",
    "parallel_tool_calls",
)  # fmt: skip
"""Body keys that never change the text; one call at most is made."""

SAYING = ("response_format", "tools", "tool_choice", "stop")
"""Body keys that say what may be said."""

BODY_KEYS = ("model", "messages", *SAYING, *SETTINGS, *NEUTRAL, *INERT)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request of the file, in our words.

    Attributes:
        said: The messages, their instructions among `overrides`.
        call: The function whose arguments are the answer; None where the answer is the text.
        model: The model that the request asks for.
    """

    custom_id: str
    said: Conversation
    overrides: dict[str, Any]
    call: Call | None
    model: str | None


def is_openai(value: JsonValue) -> bool:
    """Whether a row's object is in this format."""
    return isinstance(value, dict) and ("custom_id" in value or {"url", "body"} <= value.keys())


def parse(value: Mapping[str, Any]) -> ChatRequest:
    """Read one request.

    Raises:
        UsageError: A key is unknown, missing, or asks for what tether does not do.
    """
    only(value, TOP_KEYS, "")
    custom_id, body = value.get("custom_id"), value.get("body")
    if not isinstance(custom_id, str):
        raise UsageError("`custom_id` is missing or not a text.")
    if value.get("url", URL) != URL or value.get("method", "POST") != "POST":
        raise UsageError(
            f"The row asks for {value.get('method', 'POST')} {value.get('url', URL)}.",
            hint=f"tether answers POST {URL}.",
        )
    if not isinstance(body, dict):
        raise UsageError("`body` is missing or not an object.")
    only(body, BODY_KEYS, "body.")
    said, call = conversation(body.get("messages")), called(body)
    wanted = _format(body.get("response_format"))
    if call and wanted:
        raise UsageError(
            "`body.response_format` and `body.tool_choice` both say what may be said.",
            hint="Leave one of them out.",
        )
    overrides = {**_settings(body), **({"schema": call.schema} if call else wanted)}
    if said.system:
        overrides["system"] = said.system
    return ChatRequest(custom_id, said, overrides, call, _model(body))


def answer(
    request: ChatRequest, index: int, text: str, thought: str, stats: RowStats, model: str
) -> str:
    """The output line of a request. Ids and times are fixed, so that equal runs are equal bytes."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    finish = "stop"
    if request.call:
        message, finish = request.call.message(index, text), request.call.finish
    if thought:
        message["reasoning_content"] = thought
    completion = {
        "id": f"chatcmpl-{index}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": finish},
        ],
        "usage": {
            "prompt_tokens": stats.prompt_tokens,
            "completion_tokens": stats.output_tokens,
            "total_tokens": stats.prompt_tokens + stats.output_tokens,
        },
    }
    response = {"status_code": 200, "request_id": f"req-{index}", "body": completion}
    return dumps(
        {
            "id": f"batch_req-{index}",
            "custom_id": request.custom_id,
            "response": response,
            "error": None,
        }
    )


def _settings(body: Mapping[str, Any]) -> dict[str, Any]:
    for key, allowed in NEUTRAL.items():
        if body.get(key) is not None and body[key] not in allowed:
            raise UsageError(
                f"`body.{key}` = {json.dumps(body[key])} is not offered.",
                hint=f"Leave it out or use {json.dumps(allowed[0])}.",
            )
    if {"max_tokens", "max_completion_tokens"} <= body.keys():
        raise UsageError("`body` has both max_tokens and max_completion_tokens.")
    found = {ours: body[key] for key, ours in SETTINGS.items() if body.get(key) is not None}
    stop = body.get("stop")
    if stop is not None:
        found["stop"] = [stop] if isinstance(stop, str) else stop
    return found


def _format(wanted: JsonValue) -> dict[str, Any]:
    if wanted is None:
        return {}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"schema": {"type": "object"}}
    if kind != "json_schema":
        raise UsageError(
            f"`body.response_format.type` is {kind!r}.",
            hint="Use text, json_object or json_schema.",
        )
    schema = wanted.get("json_schema")
    only(wanted, ("type", "json_schema"), "body.response_format.")
    if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
        raise UsageError("`body.response_format.json_schema.schema` is missing or not an object.")
    known = ("name", "description", "schema", "strict")
    only(schema, known, "body.response_format.json_schema.")
    return {"schema": schema["schema"]}


def _model(body: Mapping[str, Any]) -> str | None:
    model = body.get("model")
    if not (model is None or isinstance(model, str)):
        raise UsageError("`body.model` is not a text.")
    return model
