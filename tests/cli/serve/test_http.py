"""OpenAI's interface, asked by OpenAI's own client."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from serving import Server

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "city": {"type": "string"}},
    "required": ["name", "city"],
    "additionalProperties": False,
}
TEXT = "Lena Vogel, born 14 June 1990, lives in Graz."
ASKED: dict[str, Any] = {"model": "builtin", "messages": [{"role": "user", "content": TEXT}]}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
TOOL: Any = {"type": "function", "function": {"name": "save", "parameters": SCHEMA}}
PERSON = '{"name":"Lena Vogel","city":"Graz"}'


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    found = re.search(r"http://\S+", server.log.read_text())
    assert found is not None
    token = (server.run_dir / "token").read_text()
    with openai.OpenAI(base_url=found[0], api_key=token, max_retries=0) as client:
        yield client


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list().data] == ["builtin"]
    assert client.models.retrieve("builtin").owned_by == "tether"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt")


def test_a_schema_holds(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(**ASKED, response_format=FORMAT)
    assert done.choices[0].message.content == PERSON
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    anything = client.chat.completions.create(**ASKED, response_format={"type": "json_object"})
    assert isinstance(json.loads(anything.choices[0].message.content or ""), dict)


def test_it_says_what_a_command_says(client: openai.OpenAI, server: Server) -> None:
    sampled: dict[str, Any] = {"temperature": 1.5, "seed": 11}
    done = client.chat.completions.create(**ASKED, **sampled, response_format=FORMAT)
    flags = ("--schema", json.dumps(SCHEMA), "--temperature", "1.5", "--seed", "11")
    assert server.tether("json", TEXT, *flags).out == f"{done.choices[0].message.content}\n"


@pytest.mark.parametrize(
    ("field", "value", "pattern"),
    [
        ("guided_json", {"type": "integer"}, r"-?\d+"),
        ("guided_json", '{"type": "boolean"}', "true|false"),
        ("guided_regex", "[a-z]{3,8}", "[a-z]{3,8}"),
        ("guided_choice", ["red", "blue"], "red|blue"),
        ("guided_grammar", 'start: "a" | "b" "c"', "a|bc"),
        ("guided_grammar", 'root ::= "x" [0-9]', "x[0-9]"),
    ],
)
def test_guided_fields(client: openai.OpenAI, field: str, value: object, pattern: str) -> None:
    done = client.chat.completions.create(**ASKED, extra_body={field: value}, temperature=1.0)
    assert re.fullmatch(pattern, done.choices[0].message.content or "")
    plain = client.completions.create(
        model="builtin", prompt="Say it:", extra_body={field: value}, temperature=1.0
    )
    assert re.fullmatch(pattern, plain.choices[0].text)


def test_several_answers(client: openai.OpenAI) -> None:
    guided = {"guided_regex": "[a-z]{9}"}
    asked: dict[str, Any] = {**ASKED, "temperature": 1.5, "extra_body": guided}
    many = client.chat.completions.create(**asked, n=4, seed=5)
    texts = [choice.message.content for choice in many.choices]
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]
    assert len(set(texts)) > 1
    again = client.chat.completions.create(**asked, n=4, seed=5)
    assert [choice.message.content for choice in again.choices] == texts
    alone = client.chat.completions.create(**asked, seed=5)
    assert alone.choices[0].message.content == texts[0]


def test_a_stream_adds_up(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {**ASKED, "n": 2, "temperature": 1.0, "seed": 3}
    whole = client.chat.completions.create(**asked, extra_body={"guided_regex": "[a-z ]{20,30}"})
    texts, ends, usage = ["", ""], [], None
    for chunk in client.chat.completions.create(
        **asked,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"guided_regex": "[a-z ]{20,30}"},
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            ends += [choice.finish_reason] if choice.finish_reason else []
    assert texts == [choice.message.content for choice in whole.choices]
    assert ends == ["stop", "stop"]
    assert usage == whole.usage


def test_text_streams_too(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "builtin", "prompt": ["Once", "Twice"], "max_tokens": 6}
    whole = client.completions.create(**asked)
    assert [choice.finish_reason for choice in whole.choices] == ["length", "length"]
    texts = ["", ""]
    for chunk in client.completions.create(**asked, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]


def test_tools(client: openai.OpenAI) -> None:
    chosen: Any = {"type": "function", "function": {"name": "save"}}
    done = client.chat.completions.create(**ASKED, tools=[TOOL], tool_choice=chosen)
    (call,) = done.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("save", PERSON)
    name, arguments = "", ""
    for chunk in client.chat.completions.create(
        **ASKED, tools=[TOOL], tool_choice="required", stream=True
    ):
        for part in chunk.choices[0].delta.tool_calls or []:
            assert part.function is not None
            name += part.function.name or ""
            arguments += part.function.arguments or ""
        finish = chunk.choices[0].finish_reason
    assert (name, arguments, finish) == ("save", PERSON, "tool_calls")


def test_log_probabilities(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(
        **ASKED, logprobs=True, top_logprobs=20, extra_body={"guided_choice": ["yes", "no"]}
    )
    logprobs = done.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    said = b"".join(bytes(token.bytes or []) for token in logprobs.content).decode()
    assert said == done.choices[0].message.content
    first = logprobs.content[0]
    assert first.logprob == max(other.logprob for other in first.top_logprobs)
    assert math.isclose(sum(math.exp(o.logprob) for o in first.top_logprobs), 1, abs_tol=1e-3)
    plain = client.completions.create(
        model="builtin", prompt="Once", max_tokens=4, logprobs=2, temperature=1.0
    )
    found = plain.choices[0].logprobs
    assert found is not None
    assert "".join(found.tokens or []) == plain.choices[0].text
    assert all(value is not None and value <= 0 for value in found.token_logprobs or [1.0])
    assert [len(best) for best in found.top_logprobs or []] == [2] * 4


def test_stop_and_length(client: openai.OpenAI) -> None:
    free = client.chat.completions.create(**ASKED, max_tokens=12)
    text = free.choices[0].message.content or ""
    stopped = client.chat.completions.create(**ASKED, max_tokens=12, stop=[text[2:4]])
    assert stopped.choices[0].message.content == text[: text.index(text[2:4])]
    assert stopped.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        ({"model": "gpt-4o"}, 404, "There is no model 'gpt-4o'"),
        ({"n": 0}, 400, "`n` is no number"),
        ({"n": True}, 400, "`n` is no number"),
        ({"temperature": -1}, 400, "`temperature` = -1 is wrong"),
        ({"frequency_penalty": 1}, 400, "frequency_penalty"),
        ({"colour": 1}, 400, "Unknown key `body.colour`"),
        ({"messages": []}, 400, "`body.messages` is missing or empty"),
        ({"logprobs": 3}, 400, "`logprobs` is not true or false"),
        ({"top_logprobs": 3}, 400, "needs `logprobs`"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "from 0 to 20"),
        ({"guided_regex": "("}, 400, "regex"),
        ({"guided_regex": "a", "guided_choice": ["b"]}, 400, "both say"),
        ({"guided_regex": "a", "response_format": FORMAT}, 400, "exclude each other"),
        ({"guided_grammar": "/etc/passwd"}, 400, "does not go on like this"),
        ({"guided_grammar": "@/etc/passwd"}, 400, "does not go on like this"),
        ({"guided_json": "/etc/passwd"}, 400, "not a JSON Schema object"),
        ({"guided_json": {"$ref": "http://127.0.0.1:1/a.json"}}, 400, "nothing is fetched"),
        ({"guided_json": {"$ref": "https://127.0.0.1:1/a.json"}}, 400, "nothing is fetched"),
        ({"guided_json": {"$ref": "file:///etc/passwd"}}, 400, "nothing is fetched"),
        ({"guided_json": {"enum": [1], "type": "string"}}, 422, "contradict each other"),
        ({"tools": [TOOL], "tool_choice": "auto"}, 400, "not offered"),
        ({"stream": 1}, 400, "`stream` is not true or false"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_refusals(
    client: openai.OpenAI, more: dict[str, Any], status: int, says: str, *, stream: bool
) -> None:
    body = {**ASKED, **({"stream": True} if stream else {}), **more}
    with pytest.raises(openai.APIStatusError) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.status_code == status
    error = caught.value.body
    assert isinstance(error, dict)
    assert says in error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["code"]


def test_a_limit_that_nothing_fits(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="limit"):
        client.chat.completions.create(
            **ASKED, max_tokens=2, extra_body={"guided_regex": "[a-z]{30}"}
        )


def test_the_port_needs_the_token(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()


def test_the_socket_needs_none(server: Server) -> None:
    way = httpx2.HTTPTransport(uds=str(server.run_dir / "http.sock"))
    with httpx2.Client(transport=way, base_url="http://tether") as http:
        assert http.get("/v1/models").json()["data"][0]["id"] == "builtin"
        for path, status in (("/nothing", 404), ("/v1/chat/completions", 405)):
            wrong = http.get(path)
            assert wrong.status_code == status
            assert set(wrong.json()["error"]) == {"message", "type", "param", "code"}
