from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tether.errors import SchemaError
from tether.grammars.json_schema import json_schema
from tether.grammars.json_schema.short import parse_short, to_short
from tether.grammars.vocabulary import Vocabulary

STRING = {"type": "string"}


def field(text: str) -> Any:
    """The schema of the one field `a`."""
    return parse_short(f"a {text}")["properties"]["a"]


def test_the_example_of_the_docs() -> None:
    schema = parse_short("name, age int 0..130, tags [str], kind a|b, note?")
    assert schema == {
        "type": "object",
        "properties": {
            "name": STRING,
            "age": {"type": "integer", "minimum": 0, "maximum": 130},
            "tags": {"type": "array", "items": STRING},
            "kind": {"enum": ["a", "b"]},
            "note": STRING,
        },
        "required": ["name", "age", "tags", "kind"],
        "additionalProperties": False,
    }
    assert list(schema["properties"]) == ["name", "age", "tags", "kind", "note"]


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("", STRING),
        ("str 1..5", {"type": "string", "minLength": 1, "maxLength": 5}),
        ("..5", {"type": "string", "maxLength": 5}),
        ("int 0..", {"type": "integer", "minimum": 0}),
        ("num -1.5..2", {"type": "number", "minimum": -1.5, "maximum": 2}),
        ("bool", {"type": "boolean"}),
        ("date", {"type": "string", "format": "date"}),
        ("datetime", {"type": "string", "format": "date-time"}),
        ("any", {}),
        ("any?", {}),
        ("str?", {"anyOf": [STRING, {"type": "null"}]}),
        ("x|y?", {"enum": ["x", "y", None]}),
        ('paid|"not paid"|3|-1.5|null', {"enum": ["paid", "not paid", 3, -1.5, None]}),
        ("int|str", {"anyOf": [{"type": "integer"}, STRING]}),
        ('"int"|"str"', {"enum": ["int", "str"]}),
        ("date|range", {"enum": ["date", "range"]}),
        (
            "[int] 1..5",
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 5},
        ),
        ("[x|y]", {"type": "array", "items": {"enum": ["x", "y"]}}),
        ("[[int]]", {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
        (": what they do", {**STRING, "description": "what they do"}),
        ('int "how many"', {"type": "integer", "description": "how many"}),
        ('"only a description"', {**STRING, "description": "only a description"}),
        ("str? : may be null", {"anyOf": [STRING, {"type": "null"}], "description": "may be null"}),
    ],
)
def test_types(text: str, schema: Any) -> None:
    assert field(text) == schema


def test_objects_nest_and_lines_separate() -> None:
    text = "\n  customer {\n    name\n    mail? email\n  }\n  items [{sku, n int}]\n\n  note?\n"
    assert parse_short(text) == parse_short(
        "customer {name, mail? email}, items [{sku, n int}], note?"
    )


def test_odd_names_stand_in_quotes() -> None:
    schema = parse_short('"first name", "a\\"b" int, c-d_e2')
    assert list(schema["properties"]) == ["first name", 'a"b', "c-d_e2"]


def test_no_required_key_leaves_required_out() -> None:
    assert "required" not in parse_short("a?, b? int")


def test_the_error_shows_the_line() -> None:
    with pytest.raises(SchemaError) as caught:
        parse_short("name\nage integer 0..3")
    assert caught.value.pointer == "2:5"
    assert caught.value.excerpt == "  2 | age integer 0..3\n          ^"
    assert caught.value.hint == "Did you mean int?"


PROMPTS = [
    "name, born date, status paid|unpaid, customer {name, email}, items [{name, qty int}], "
    "tags [str], town?, note str?",
    'a int|str?, "b c"? any, d x|3|"y z"?, e [[num]?], f [{g? bool?}]?',
    'a "int"|"str", b time, c datetime, d uri, e uuid, f email',
]


@pytest.mark.parametrize("text", PROMPTS)
def test_prompts_come_back(text: str) -> None:
    assert to_short(parse_short(text)) == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer"}, "int"),
        ({"type": "array", "items": {"type": "object", "properties": {"a": {}}}}, "[{a? any}]"),
        ({"enum": ["a", "b", None]}, "a|b?"),
        ({"properties": {"a": {"const": "x"}, "b": {"type": ["integer", "null"]}}}, "a?, b? int?"),
        ({"properties": {"a": {"enum": ["one"]}, "b": {"enum": [{"x": 1}]}}}, "a?, b? any"),
        ({"properties": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/T"}]}},
          "$defs": {"T": {"properties": {"x": {"type": "string", "format": "date"}}}}},
         "a? {x? date}?"),
        ({"properties": {"a": {"allOf": [{"$ref": "#/$defs/T"}]}},
          "$defs": {"T": {"type": "number"}}}, "a? num"),
        ({"properties": {"a": {"$ref": "https://elsewhere"}}}, "a? any"),
        ({"properties": {"a": {"$ref": "#anchor"}}}, "a? any"),
        ({"properties": {"a": {"$ref": "#/$defs/T%20U"}}, "$defs": {"T U": {"type": "number"}}},
         "a? num"),
        ({"properties": {"a": {"type": "string", "format": "ipv4", "maxLength": 3}}}, "a?"),
        ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "object"}]}}}, "a? any"),
        ({"properties": {"a": {"type": "object"}}}, "a? any"),
        (True, "any"),
        ({"$ref": "#"}, "any"),
    ],
)  # fmt: skip
def test_schemas_for_prompts(schema: Any, text: str) -> None:
    assert to_short(schema) == text


def test_recursion_is_bounded() -> None:
    schema = {"$ref": "#/$defs/N", "$defs": {"N": {"properties": {"next": {"$ref": "#/$defs/N"}}}}}
    text = to_short(schema)  # type: ignore[arg-type]
    assert text.startswith("next? {next? {")
    assert text.count("{") < 12
    assert "any" in text


_words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,5}", fullmatch=True)
_plain = st.sampled_from(["str", "int", "num", "bool", "date", "email", "any"])
_values = st.lists(
    st.from_regex(r"[a-z]{1,3}9", fullmatch=True), min_size=2, max_size=3, unique=True
)


def _fields(types: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.tuples(_words, st.sampled_from(["", "?"]), types)
    listed = st.lists(one, min_size=1, max_size=3, unique_by=lambda item: item[0])
    return listed.map(
        lambda items: ", ".join(n + o + ("" if t == "str" else f" {t}") for n, o, t in items)
    )


_types = st.recursive(
    _plain | _values.map("|".join),
    lambda inner: (
        inner.map(lambda t: f"[{t}]")
        | _fields(inner).map(lambda t: "{" + t + "}")
        | inner.filter(lambda t: t != "any" and not t.endswith("?")).map(lambda t: t + "?")
    ),
    max_leaves=4,
)


@given(_fields(_types))
@settings(max_examples=60, deadline=None)
def test_round_trip(text: str) -> None:
    assert to_short(parse_short(text)) == text


@given(st.text(alphabet='ab,:?|[]{}". \n0123-int', max_size=25))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_schema_or_an_error_with_a_place(text: str) -> None:
    pointer, excerpt = "place", "caret"
    try:
        schema = parse_short(text)
    except SchemaError as error:
        pointer, excerpt = error.pointer or "", error.excerpt
    else:
        assert schema["properties"]
    assert pointer
    assert excerpt


def test_the_schema_compiles(byte_vocab: Vocabulary) -> None:
    constraint = json_schema(parse_short(PROMPTS[0]), byte_vocab)
    text = (
        '{"name":"A","born":"2020-01-02","status":"paid","customer":{"name":"B","email":"c"},'
        '"items":[{"name":"D","qty":2}],"tags":[],"note":null}'
    )
    assert constraint.validate(text) is None
    tokens = byte_vocab.encode(text)
    assert constraint.start().prefix_length(tokens) == len(tokens)
