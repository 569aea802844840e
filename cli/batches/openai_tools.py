"""`tools` and `tool_choice` of an OpenAI request: one function that has to be called.

A function that the request names is a constraint: its arguments are JSON under its schema. Whether
to call one at all, and which of several, is not offered: no mask says that of itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tether.cli.batches.openai_messages import only
from tether.cli.config.profiles import suggest
from tether.cli.kinds import JsonValue
from tether.errors import UsageError

_NAMED = '{"type": "function", "function": {"name": "..."}}'


@dataclass(frozen=True, slots=True)
class Call:
    """The function that the answer calls.

    Attributes:
        schema: What its arguments are.
        finish: What OpenAI gives as `finish_reason`: "stop" where the request named the function.
    """

    name: str
    schema: dict[str, Any]
    finish: Literal["stop", "tool_calls"]

    def message(self, index: int, arguments: str) -> dict[str, Any]:
        """The assistant's message of row `index`."""
        function = {"name": self.name, "arguments": arguments}
        call = {"id": f"call_{index}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}


def called(body: Mapping[str, Any]) -> Call | None:
    """The function that has to be called; None where the answer is text.

    Raises:
        UsageError: A tool is no function, or the model is left to choose.
    """
    schemas = _schemas(body.get("tools") or [])
    choice = body.get("tool_choice")
    if choice == "none" or (not schemas and choice in (None, "auto")):
        return None
    if choice == "required" and len(schemas) == 1:
        return Call(*schemas.popitem(), "tool_calls")
    if not isinstance(choice, dict) or choice.get("type") != "function":
        shown = json.dumps("auto" if choice is None else choice, ensure_ascii=False)
        raise UsageError(
            f"`body.tool_choice` = {shown} is not offered.",
            hint=f'Name the function to call, {_NAMED}, or say "none".',
        )
    only(choice, ("type", "function"), "body.tool_choice.")
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if name not in schemas:
        raise UsageError(
            f"`body.tool_choice` names the function {name!r}, which is not in `body.tools`.",
            hint=suggest(str(name), sorted(schemas), "functions"),
        )
    return Call(name, schemas[name], "stop")


def _schemas(tools: JsonValue) -> dict[str, dict[str, Any]]:
    """Name of each function to the schema of its arguments."""
    if not isinstance(tools, list):
        raise UsageError("`body.tools` is not an array.")
    schemas: dict[str, dict[str, Any]] = {}
    for number, tool in enumerate(tools):
        name, schema = _function(tool, f"body.tools[{number}]")
        if name in schemas:
            raise UsageError(f"`body.tools` has the function {name!r} twice.")
        schemas[name] = schema
    return schemas


def _function(tool: JsonValue, where: str) -> tuple[str, dict[str, Any]]:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind != "function":
        raise UsageError(f"`{where}.type` is {kind!r}.", hint="tether takes functions.")
    only(tool, ("type", "function"), f"{where}.")
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise UsageError(f"`{where}.function.name` is missing or not a text.")
    only(function, ("name", "description", "parameters", "strict"), f"{where}.function.")
    schema = function.get("parameters")
    if schema is None:  # a function without parameters
        schema = {"type": "object", "properties": {}, "additionalProperties": False}
    if not isinstance(schema, dict):
        raise UsageError(f"`{where}.function.parameters` is not an object.")
    about = function.get("description")
    # The model reads the schema: what the function is for belongs to it.
    return function["name"], {"description": about, **schema} if about else schema
