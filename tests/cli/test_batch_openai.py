"""OpenAI batch rows: conversations, tools, formats; what is not offered is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import save_checkpoint
from command_line import Tether
from fake_engine import FakeEngine

SYSTEM = {"role": "system", "content": "Be kind."}
USER = {"role": "user", "content": "hi"}
ANSWER: dict[str, Any] = {
    "role": "assistant",
    "content": "Hello!",
    "refusal": None,
    "tool_calls": [],
}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
        "strict": True,
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}


def line(**body: Any) -> str:
    row = {"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(row) + "\n"


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def saying(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": json.dumps({"say": text})}]


def test_a_conversation_reaches_the_prompt(tether: Tether, fake: FakeEngine) -> None:
    parts = [{"type": "text", "text": "And "}, {"type": "text", "text": "you?"}]
    later = {"role": "developer", "content": "Be brief."}
    last = {"role": "user", "content": parts}
    rules = {"role": "developer", "content": "Be true."}
    ran = tether("batch", stdin=line(messages=[SYSTEM, rules, USER, ANSWER, later, last]))
    assert ran.code == 0, ran.err
    (prompt,) = fake.prompts.values()
    assert prompt.system == "Be kind.\n\nBe true."
    assert prompt.turns == (("user", "hi"), ("assistant", "Hello!"), ("system", "Be brief."))
    assert prompt.text == "And you?"


def test_a_named_function_is_called(tether: Tether, fake: FakeEngine) -> None:
    body = {"messages": saying('{"city":"Graz"}'), "tools": [CLOCK, WEATHER]}
    ran = tether(
        "batch", stdin=line(**body, tool_choice=named("weather"), parallel_tool_calls=True)
    )
    assert ran.code == 0, ran.err
    (choice,) = ran.rows[0]["response"]["body"]["choices"]
    assert choice["finish_reason"] == "stop", "as OpenAI does for a function that is named"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {
                "id": "call_0",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Graz"}'},
            }
        ],
    }
    (spec,) = fake.compiled
    assert spec.schema == {
        "description": "The weather at a place.", **WEATHER["function"]["parameters"],
    }  # fmt: skip


def test_the_only_function_is_called_where_one_is_required(
    tether: Tether, fake: FakeEngine
) -> None:
    ran = tether("batch", stdin=line(messages=saying("{}"), tools=[CLOCK], tool_choice="required"))
    assert ran.code == 0, ran.err
    (choice,) = ran.rows[0]["response"]["body"]["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "clock", "arguments": "{}"}
    assert fake.compiled[0].schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [WEATHER], "tool_choice": "none"},
        {"tools": [], "tool_choice": "auto"},
        {"tools": None, "tool_choice": None, "response_format": {"type": "text"}},
    ],
)
def test_tools_that_are_not_to_be_called(
    tether: Tether, fake: FakeEngine, body: dict[str, Any]
) -> None:
    ran = tether("batch", stdin=line(messages=[USER], **body))
    assert ran.code == 0, ran.err
    (choice,) = ran.rows[0]["response"]["body"]["choices"]
    assert choice["message"] == {"role": "assistant", "content": "hi", "refusal": None}
    assert fake.compiled == []


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        ({"type": "json_object"}, {"type": "object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}},
            {"type": "integer"},
        ),
    ],
)
def test_response_formats(
    tether: Tether, fake: FakeEngine, wanted: dict[str, Any], schema: dict[str, Any]
) -> None:
    ran = tether("batch", stdin=line(messages=saying("{}"), response_format=wanted))
    assert ran.code == 0, ran.err
    assert [spec.schema for spec in fake.compiled] == [schema]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"tools": [WEATHER]}, '`body.tool_choice` = "auto" is not offered'),
        ({"tools": [WEATHER, CLOCK], "tool_choice": "required"}, '"required" is not offered'),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}}, "allowed_tools"),
        ({"tools": [WEATHER], "tool_choice": named("wether")}, "Did you mean `weather`?"),
        ({"tool_choice": named("weather")}, "not in `body.tools`"),
        ({"tool_choice": "required"}, '"required" is not offered'),
        ({"tools": [{"type": "custom"}]}, "`body.tools[0].type` is 'custom'"),
        ({"tools": [CLOCK, CLOCK]}, "'clock' twice"),
        ({"tools": {"a": 1}}, "`body.tools` is not an array"),
        ({"tools": [{**CLOCK, "x": 1}]}, "`body.tools[0].x`"),
        (
            {"tools": [CLOCK], "tool_choice": named("clock"),
             "response_format": {"type": "json_object"}},
            "both say what may be said",
        ),
        ({"functions": [1]}, "Unknown key `body.functions`"),
        ({"messages": [USER, ANSWER]}, "ends with the role 'assistant'"),
        ({"messages": [SYSTEM]}, "ends with the role 'system'"),
        ({"messages": [USER, {"role": "tool", "content": "3"}, USER]}, "[1]` has the role 'tool'"),
        ({"messages": [USER, {**ANSWER, "tool_calls": [{}]}, USER]}, "[1].tool_calls`"),
        ({"messages": [USER, {**ANSWER, "content": None}, USER]}, "[1].content` is not text"),
        ({"messages": [{"role": "user", "content": []}]}, "[0].content` is not text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "`body.messages[0].content[0]` is not text: its type is 'image_url'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "b": 1}]}]},
            "`body.messages[0].content[0].b`",
        ),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_by_name(
    tether: Tether, fake: FakeEngine, body: dict[str, Any], message: str
) -> None:
    ran = tether("batch", stdin=line(**{"messages": [USER], **body}) + line(messages=[USER]))
    assert (ran.code, len(ran.rows), len(fake.prompts)) == (6, 1, 1)
    assert message in ran.err


def test_instructions_that_the_model_does_not_read_are_told_once(
    tether: Tether, fake: FakeEngine
) -> None:
    rows = line(messages=[SYSTEM, USER]) * 3
    assert tether("batch", stdin=rows).err.count("instructions") == 1
    fake.reads_fields = False
    assert "instructions" not in tether("batch", stdin=rows).err


def test_on_a_model_without_a_chat_template(tether: Tether, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "llama", max_position_embeddings=300)
    rows = line(messages=[USER, ANSWER, USER]) + line(
        messages=[USER], tools=[WEATHER], tool_choice=named("weather"), max_tokens=60
    )
    ran = tether("batch", "-m", str(tmp_path), stdin=rows)
    assert ran.code == 6, ran.err
    assert "it knows no earlier turns" in ran.err
    (choice,) = ran.rows[0]["response"]["body"]["choices"]
    arguments = json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])
    assert isinstance(arguments["city"], str)
