"""What the mask of a schema holds and what it does not, family by family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from tether.errors import SchemaError
from tether.grammars.json_schema.bounds import Bounds
from tether.grammars.json_schema.front import front
from tether.types import Json

Accepts = Callable[..., bool]

STRING: dict[str, Any] = {"type": "string"}
PAIR: dict[str, Any] = {
    "type": "object",
    "properties": {"b": {"type": "integer"}, "a": STRING},
    "required": ["a"],
    "additionalProperties": False,
}
TREE = {
    "$ref": "#/$defs/t",
    "$defs": {
        "t": {
            "type": "object",
            "properties": {"l": {"$ref": "#/$defs/t"}, "v": {"const": 1}},
            "additionalProperties": False,
        }
    },
}

EXACT: list[tuple[Any, list[str], list[str]]] = [
    (True, ["1", '{"a": [null, true]}', '"x"', "-1.5e-7"], ["", "{", "01", "[1,]", "{1: 2}"]),
    (STRING, ['""', '"é\x7f\\n\\u001f"', '"\\""'], ["x", '"\n"', '"\\x"', '"']),
    ({"type": ["integer", "null"]}, ["0", "-12", "1.0", "null"], ["1.5", "true", '""']),
    ({"type": "boolean"}, ["true", "false"], ["1", "null"]),
    ({"not": {"type": "number", "not": {"type": "integer"}}}, ["1", '"a"', "{}"], ["1.5"]),
    # strings
    ({**STRING, "minLength": 2, "maxLength": 3}, ['"ab"', '"é\\n"', '"abc"'], ['"a"', '"abcd"']),
    (
        {**STRING, "pattern": ".*", "format": "ipv4", "maxLength": 9},
        ['"127.0.0.1"'],
        ['"abc"', '"127.0.0.11"'],
    ),
    (
        {**STRING, "allOf": [{"pattern": ".*"}, {"pattern": "^[a-z]+x$"}], "maxLength": 3},
        ['"abx"'],
        ['"abc"', '"abcx"'],
    ),
    ({**STRING, "pattern": "^a+$"}, ['"a"', '"aa"'], ['""', '"ab"', '"ba"']),
    ({**STRING, "pattern": "b"}, ['"b"', '"abc"', '"\\nb\\""'], ['""', '"a"']),
    ({**STRING, "pattern": "^(a|b$)"}, ['"ax"', '"b"'], ['"bx"', '"xa"']),
    ({**STRING, "pattern": "(^|/)x"}, ['"x"', '"a/x"', '"xy"'], ['"ax"', '"/"']),
    ({**STRING, "pattern": r"^[^\\]\d\w\s$"}, ['"a1_ "', '"\\"0z\\t"'], ['"\\\\1_ "', '"aé_ "']),
    ({**STRING, "pattern": r"^\u00e9{2,}$"}, ['"éé"', '"ééé"'], ['"é"']),
    ({**STRING, "pattern": "(?i)^ab$"}, ['"Ab"', '"aB"'], ['"abc"']),
    ({"allOf": [{"pattern": "a"}, {"pattern": "b"}], "type": "string"}, ['"ab"', '"ba"'], ['"a"']),
    ({**STRING, "not": {"enum": ["a", 'q"']}}, ['"b"', '""'], ['"a"', '"q\\""']),
    ({**STRING, "not": {"pattern": "^a"}}, ['"b"', '"ba"'], ['"a"', '"ab"']),
    ({**STRING, "format": "date"}, ['"2024-02-29"'], ['"2023-02-29"', '"2024-13-01"', '"x"']),
    ({**STRING, "format": "ipv4"}, ['"0.10.255.9"'], ['"256.1.1.1"', '"1.1.1"']),
    ({**STRING, "format": "uuid"}, ['"2EB8AA08-AA98-11EA-B4AA-73B441D16380"'], ['"2EB8"']),
    ({**STRING, "format": "json-pointer"}, ['""', '"/a~0/é"'], ['"a"', '"/~2"']),
    ({**STRING, "format": "path"}, ['""', '"anything"'], ["1"]),
    # numbers
    ({"type": "integer", "minimum": -3, "maximum": 120}, ["-3", "0", "120", "7.0"], ["-4", "121"]),
    ({"type": "integer", "exclusiveMinimum": 9}, ["10", "1000"], ["9", "-10"]),
    (
        {"type": "number", "minimum": 0.05, "exclusiveMaximum": 2},
        ["0.05", "1.99", "1"],
        ["0.049", "2", "2.0"],
    ),
    ({"type": "number", "maximum": -1.5}, ["-1.5", "-20"], ["-1.4", "0", "1.5"]),
    ({"type": "integer", "minimum": 10**25}, [str(10**25), str(10**30)], [str(10**25 - 1)]),
    ({"type": "number", "multipleOf": 0.01}, ["1", "1.5", "1.25", "-0.01"], ["0.001", "1.255"]),
    ({"type": "integer", "multipleOf": 7}, ["0", "14", "-21"], ["1", "15"]),
    (
        {"type": "integer", "multipleOf": 25, "minimum": 1, "maximum": 80},
        ["25", "75"],
        ["0", "100", "30"],
    ),
    # const and enum
    ({"const": "a"}, ['"a"'], ['"b"', "1"]),
    (
        {"enum": [1, 1.5, None, "x", True]},
        ["1", "1.0", "1.50", "null", '"x"', "true"],
        ["2", "false"],
    ),
    (
        {"const": {"a": [1], "b": {}}},
        ['{"a": [1], "b": {}}', '{"b": {}, "a": [1]}'],
        ['{"a": [1]}'],
    ),
    # arrays
    ({"type": "array", "items": {"const": 1}}, ["[]", "[1]", "[1, 1]"], ["[2]", "[1,  1]", "[1"]),
    (
        {"type": "array", "items": STRING, "minItems": 1, "maxItems": 2},
        ['["a"]', '["a", "b"]'],
        ["[]", '["a", "b", "c"]'],
    ),
    (
        {"type": "array", "prefixItems": [{"const": 1}, STRING], "items": False},
        ["[]", "[1]", '[1, "a"]'],
        ["[2]", '[1, "a", 1]'],
    ),
    (
        {"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 2},
        ["[1, 2]", "[1, 2, 2]"],
        ["[1]", "[1, 1]"],
    ),
    (
        {"type": "array", "items": {"enum": ["a", "b", 3]}, "uniqueItems": True},
        ["[]", '["b", 3, "a"]'],
        ['["a", "a"]'],
    ),
    # objects
    (
        PAIR,
        ['{"a": "x"}', '{"b": 1, "a": ""}', '{"a":"","b":2}'],
        ["{}", '{"b": 1}', '{"a": "x", "a": "y"}', '{"a": "x", "c": 1}'],
    ),
    (
        {"type": "object", "additionalProperties": {"const": 1}, "maxProperties": 1},
        ["{}", '{"é": 1}'],
        ['{"a": 2}', '{"a": 1, "b": 1}'],
    ),
    (
        {**PAIR, "required": [], "minProperties": 1, "maxProperties": 1},
        ['{"a": "x"}', '{"b": 1}'],
        ["{}", '{"b": 1, "a": "x"}'],
    ),
    (
        {
            **PAIR,
            "required": [],
            "additionalProperties": True,
            "minProperties": 2,
            "maxProperties": 2,
        },
        ['{"a": "", "z": 1}'],
        ["{}", '{"z": 1}', '{"x": 1, "y": 1, "z": 1}'],
    ),
    (
        {
            "type": "object",
            "patternProperties": {"^x": {"const": 1}},
            "additionalProperties": {"const": 2},
        },
        ['{"x": 1, "y": 2}'],
        ['{"x": 2}', '{"y": 1}'],
    ),
    (
        {"type": "object", "patternProperties": {"a": {"minimum": 1}, "b": {"maximum": 1}}},
        ['{"ab": 1, "a": 2, "b": 0}'],
        ['{"ab": 2}', '{"a": 0}'],
    ),
    (
        {"type": "object", "properties": {"x": {"const": 1}}, "required": ["x"]},
        ['{"y": 2, "x": 1}'],
        ['{"y": 2}', '{"x": 2}'],
    ),
    ({"type": "object", "propertyNames": {"pattern": "^a"}}, ["{}", '{"ab": 1}'], ['{"b": 1}']),
    (
        {"type": "object", "dependentRequired": {"a": ["b"]}},
        ["{}", '{"b": 1}', '{"b": 1, "a": 2}'],
        ['{"a": 1}'],
    ),
    ({"type": "object", "not": {"required": ["a"]}}, ["{}", '{"b": 1}'], ['{"a": 1}']),
    # unions and references
    ({"oneOf": [{"type": "integer"}, {**STRING, "minLength": 1}]}, ["1", '"a"'], ['""', "1.5"]),
    (
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "type": "object"},
        ["{}", '{"a": 1, "b": 1}'],
        ['{"a": 1}'],
    ),
    (TREE, ["{}", '{"l": {"l": {"v": 1}}}'], ['{"l": 1}', '{"v": 1, "v": 1}']),
    ({"allOf": [{"$ref": "#"}], "type": "object"}, ["{}"], ["1"]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), EXACT, ids=lambda value: str(value)[:60])
def test_exact(accepts: Accepts, schema: Any, good: list[str], bad: list[str]) -> None:
    assert front(schema).exact
    assert [text for text in good if not accepts(schema, text)] == []
    assert [text for text in bad if accepts(schema, text)] == []


LOOSE: list[tuple[Any, list[str], list[str]]] = [
    ({**STRING, "format": "email"}, ['"a@b"', '"\\"a b\\"@c.d"'], ['"a"', "1"]),
    ({**STRING, "format": "date-time"}, ['"2016-12-31T23:59:60Z"'], ['"2016-12-31"']),
    ({**STRING, "format": "uri"}, ['"urn:a:b"', '"http://[::1]/%20?#x"'], ['"a b"', '"a"']),
    ({**STRING, "pattern": "^(?!a)b"}, ['"b"'], ["1"]),
    ({**STRING, "pattern": "("}, ['"b"'], ["1"]),
    ({**STRING, "maxLength": 100_000}, ['"b"'], ["1"]),
    ({"type": "array", "uniqueItems": True}, ["[1, 2]"], ["1"]),
    ({"type": "array", "contains": STRING}, ['[1, "a"]'], ["1"]),
    (
        {
            "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
            "$defs": {"a": {"required": ["a"], "type": "object"}, "b": {"type": "object"}},
        },
        ['{"b": 1}'],
        ["1", "[]"],
    ),
    ({"type": "object", "$ref": "#/nowhere"}, ["{}"], ["1"]),
    ({"type": "nonsense"}, ["1", "{}"], ["x"]),
    (
        {"properties": {f"p{i}": {"const": i} for i in range(200)}, "type": "object"},
        ['{"p199": 199, "p3": 3}'],
        ['{"p3": 4}'],
    ),
]


@pytest.mark.parametrize(
    ("schema", "containers"),
    [
        ({"type": "string", "format": "hostname"}, True),
        ({"items": {"type": "number", "not": {"multipleOf": 3}}, "type": "array"}, True),
        ({"contains": {"format": "hostname"}, "type": "array"}, False),
        ({"properties": {f"p{i}": {"type": "null"} for i in range(200)}}, False),
        ({"type": "nonsense"}, False),
    ],
)
def test_what_kind_of_values_is_left_to_the_oracle(schema: Any, containers: bool) -> None:
    mask = front(schema)
    assert not mask.exact
    assert mask.containers is containers


@pytest.mark.parametrize(("schema", "good", "bad"), LOOSE, ids=lambda value: str(value)[:60])
def test_what_is_left_to_the_oracle(
    accepts: Accepts,
    schema: Any,
    good: list[str],
    bad: list[str],
) -> None:
    assert not front(schema).exact
    assert [text for text in good if not accepts(schema, text)] == []
    assert [text for text in bad if accepts(schema, text)] == []


def test_extras_are_told() -> None:
    assert not front(PAIR).extras
    assert front({"type": "object"}).extras


def test_formats_may_be_annotations() -> None:
    assert (
        front({**STRING, "format": "date"}, validate_formats=False).grammar == front(STRING).grammar
    )


def test_a_registry_resolves_references(accepts: Accepts) -> None:
    registry = jsonschema_rs.Registry([("https://example.com/s", STRING)])
    schema: dict[str, Any] = {"$ref": "https://example.com/s"}
    assert front(schema, registry=registry).exact
    assert not accepts(schema, "1", registry=registry)


@pytest.mark.parametrize(
    ("text", "compact", "generated", "flexible"),
    [
        ('{"a":"x","b":1}', True, False, True),
        ('{"a": "x", "b": 1}', True, False, True),
        ('{"b":1,"a":"x"}', True, True, True),
        ('{ "a" :\n"x" }', False, False, True),
        ('{"a":' + " " * 64 + '"x"}', False, False, True),
        ('{"a":' + " " * 65 + '"x"}', False, False, False),
    ],
)
def test_white_space(
    accepts: Accepts, text: str, compact: bool, generated: bool, flexible: bool
) -> None:
    assert accepts(PAIR, text) == compact
    assert accepts(PAIR, text, bounds=Bounds()) == generated
    assert accepts(PAIR, text, whitespace="flexible") == flexible


OPEN = {
    "type": "object",
    "properties": {"b": {"const": 1}, "a": {"const": 2}, "c": {"const": 3}},
    "required": ["c", "a"],
}


@pytest.mark.parametrize(
    ("text", "declared", "any_order"),
    [
        ('{"b":1,"a":2,"c":3}', True, True),
        ('{"a":2,"c":3}', True, True),
        ('{"c":3,"a":2}', False, True),
        ('{"a":2,"c":3,"x":4}', True, True),
        ('{"a":2,"x":4,"c":3}', False, False),
        ('{"a":2,"c":3,"x":4,"b":1}', False, True),
        ('{"b":1,"c":3}', False, False),
    ],
)
def test_order_when_generating(
    accepts: Accepts, text: str, declared: bool, any_order: bool
) -> None:
    bounds = Bounds(extras=True)
    assert accepts(OPEN, text, bounds=bounds) == declared
    assert accepts(OPEN, text, bounds=bounds, order="any") == any_order


def test_the_order_of_merged_objects_is_that_of_first_appearance(accepts: Accepts) -> None:
    schema = {
        "allOf": [
            {"properties": {"z": {"const": 1}}, "required": ["z"]},
            {"$ref": "#/$defs/x"},
        ],
        "type": "object",
        "$defs": {"x": {"properties": {"y": {"const": 2}, "a": {"const": 3}}}},
    }
    assert accepts(schema, '{"z":1,"y":2,"a":3}', bounds=Bounds())
    assert not accepts(schema, '{"y":2,"z":1}', bounds=Bounds())


MANY = {
    "type": "object",
    "properties": {f"p{i}": {"const": i} for i in range(300)},
    "required": ["p7"],
}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"p7":7}', True),
        ('{"p1":1,"p7":7,"p299":299}', True),
        ('{"p1":1}', False),
        ('{"p8":8,"p7":7}', False),
        ('{"p7":7,"p7":7}', False),
    ],
)
def test_hundreds_of_properties_keep_their_order(
    accepts: Accepts, text: str, verdict: bool
) -> None:
    assert accepts(MANY, text, bounds=Bounds()) == verdict


@pytest.mark.parametrize(
    ("schema", "text", "verdict"),
    [
        (STRING, '"' + "a" * 8 + '"', True),
        (STRING, '"' + "a" * 9 + '"', False),
        ({**STRING, "minLength": 20}, '"' + "a" * 20 + '"', True),
        ({**STRING, "pattern": "^a"}, '"' + "a" * 9 + '"', False),
        ({**STRING, "pattern": "^a{20}$"}, '"' + "a" * 20 + '"', True),
        ({"type": "array"}, "[1,2,3]", True),
        ({"type": "array"}, "[1,2,3,4]", False),
        ({"type": "array", "minItems": 4}, "[1,2,3,4]", True),
        (OPEN, '{"a":2,"c":3,"x":4}', False),
        ({"type": "object"}, '{"x":4}', True),
        ({**OPEN, "additionalProperties": {"const": 4}}, '{"a":2,"c":3,"x":4}', True),
        ({**OPEN, "minProperties": 4}, '{"b":1,"a":2,"c":3,"x":4}', True),
        ({"type": "integer"}, "1.0", False),
        ({"type": "number"}, "1e5", False),
        ({"type": "number", "minimum": 10**25}, str(10**25), True),
        ({**STRING, "format": "date-time"}, '"2016-12-31T23:59:60Z"', False),
        ({**STRING, "format": "date-time"}, '"2016-12-31T23:59:59Z"', True),
        ({**STRING, "format": "email"}, '"a.b@example.org"', True),
    ],
)
def test_bounds(accepts: Accepts, schema: Any, text: str, verdict: bool) -> None:
    assert accepts(schema, text, bounds=Bounds(max_string=8, max_items=3)) == verdict


SIZES: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {
            "type": "object",
            "properties": {key: {"type": "number"} for key in "abcdr"},
            "required": ["a", "b", "c", "d", "r"],
            "oneOf": [{"required": ["r"]}, {"required": ["a", "b"]}, {"required": ["c", "d"]}],
        },
        "kind": {"enum": ["x", "y"]},
    },
}
"""A part that nothing satisfies: every branch of its oneOf holds."""


@pytest.mark.parametrize(
    ("schema", "pointers"),
    [
        (False, []),
        ({"type": "string", "minLength": 5, "maxLength": 3}, ["/minLength", "/maxLength"]),
        (
            {"type": "object", "required": ["a"], "properties": {"a": False}},
            ["/required", "/properties"],
        ),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, ["/allOf/0", "/allOf/1"]),
        (
            {**SIZES, "required": ["size"]},
            ["/properties/size/required", "/properties/size/oneOf"],
        ),
        (
            {
                **SIZES,
                "properties": {"other": dict(SIZES["properties"]["size"]), **SIZES["properties"]},
                "required": ["size"],
            },
            ["/properties/size/required", "/properties/size/oneOf"],
        ),
    ],
)
def test_contradictions_are_refused(schema: Any, pointers: list[str]) -> None:
    with pytest.raises(SchemaError) as caught:
        front(schema)
    assert [p for p in pointers if p not in caught.value.message] == []
    assert caught.value.hint
    assert caught.value.pointer is not None


@pytest.mark.parametrize("again", [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}]}])
def test_a_part_defined_by_itself_alone_is_left_to_the_oracle(accepts: Accepts, again: Any) -> None:
    schema: Any = {"dependentSchemas": {"name": again}}
    assert accepts(schema, '{"name": {}}')
    assert not front(schema).exact


def test_a_part_that_nothing_satisfies_may_be_left_out(accepts: Accepts) -> None:
    assert accepts(SIZES, "{}")
    assert "size" in front(SIZES).grammar


@pytest.mark.parametrize(
    ("schema", "said", "pointer"),
    [
        (False, "the root allows none.", ""),
        ({"not": {}}, "/not allows none.", "/not"),
        (
            {"type": "integer", "minimum": 5, "maximum": 3},
            "/minimum and /maximum contradict each other.",
            "/minimum",
        ),
        (
            {
                "allOf": [{"$ref": "#/$defs/a%20and%20b"}, {"type": "null"}],
                "$defs": {"a and b": {"type": "string"}},
            },
            "/$defs/a and b/type and /allOf/1/type contradict each other.",
            "/$defs/a and b/type",
        ),
    ],
)
def test_a_contradiction_is_said_in_plain_words(schema: Any, said: str, pointer: str) -> None:
    with pytest.raises(SchemaError) as caught:
        front(schema)
    assert caught.value.message == f"No JSON value satisfies the schema: {said}"
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(("draft", "exact"), [("04", True), ("06", False)])
def test_a_part_that_names_the_roots_own_draft_is_read_with_it(draft: str, exact: bool) -> None:
    part: Json = {"$schema": f"http://json-schema.org/draft-{draft}/schema", "enum": ["a"]}
    root = "http://json-schema.org/draft-04/schema#"
    schema: dict[str, Json] = {"$schema": root, "type": "array"}
    schema |= {"items": {"$ref": "#/definitions/x"}, "definitions": {"x": part}}
    assert front(schema).exact is exact
