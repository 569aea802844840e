"""Documents written by hand by someone who had not seen the training wordings."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from tether.decoding.builtin.generator.example import Example
from tether.grammars.json_schema.short import parse_short

END = "<|end|>"


def handwritten() -> dict[str, list[Example]]:
    """The documents of `handwritten.toml` by task: json, sparql, qa."""
    text = (files("tether.decoding.builtin") / "handwritten.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return {
        "json": [_json(**item) for item in table["json"]],
        "sparql": [_sparql(**item) for item in table["sparql"]],
        "qa": [_qa(**item) for item in table["qa"]],
    }


def _json(text: str, fields: str, answer: str) -> Example:
    prompt = f"<|doc|>{text}<|json|>{fields}<|out|>"
    return Example("json", prompt, answer + END, parse_short(fields), text)


def _sparql(question: str, query: str) -> Example:
    return Example("sparql", f"<|sparql|>{question}<|out|>", query + END)


def _qa(passages: str, question: str, answer: str) -> Example:
    return Example("qa", f"<|doc|>{passages}<|ask|>{question}<|out|>", answer + END)
