"""Schemas made to hurt, as text: name -> maker, for some of them are megabytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def _nested(opening: str, closing: str, depth: int, middle: str = "{}") -> str:
    return opening * depth + middle + closing * depth


def _properties(count: int, **more: Any) -> str:
    named = {f"property_{i}": {"type": "string"} for i in range(count)}
    return json.dumps({"type": "object", "properties": named, **more})


def _patterns(count: int) -> str:
    """Patterns that overlap in every combination."""
    parts = {f"^.*{i}.*$": {"type": "number", "multipleOf": i + 1} for i in range(count)}
    return json.dumps({"type": "object", "patternProperties": parts})


def _product(depth: int, width: int) -> str:
    """anyOf under allOf: width ** depth combinations."""
    layers = [{"anyOf": [{"required": [f"k{d}_{w}"]} for w in range(width)]} for d in range(depth)]
    return json.dumps({"type": "object", "allOf": layers})


def _doubling(depth: int) -> str:
    """Definitions that each name the next one twice: 2 ** depth when written out."""
    parts: dict[str, Any] = {
        f"d{i}": {"type": "array", "items": [{"$ref": f"#/definitions/d{i + 1}"}] * 2}
        for i in range(depth)
    }
    parts[f"d{depth}"] = {"type": "null"}
    return json.dumps({"$ref": "#/definitions/d0", "definitions": parts})


def _all_of_doubling(depth: int) -> str:
    parts: dict[str, Any] = {
        f"d{i}": {"allOf": [{"$ref": f"#/definitions/d{i + 1}"}] * 2} for i in range(depth)
    }
    parts[f"d{depth}"] = {"type": "object"}
    return json.dumps({"$ref": "#/definitions/d0", "definitions": parts})


def _chain(length: int, keyword: str = "", last: str = "") -> str:
    """References one after the other, each below a keyword; they may end in a circle."""
    parts: dict[str, Any] = {}
    for i in range(length):
        reference = {"$ref": f"#/$defs/d{i + 1}"}
        parts[f"d{i}"] = {keyword: reference} if keyword else reference
    parts[f"d{length}"] = {"$ref": last} if last else {"type": "integer"}
    return json.dumps({"$ref": "#/$defs/d0", "$defs": parts})


def _pattern(pattern: str) -> str:
    return json.dumps({"type": "string", "pattern": pattern})


def _big(megabytes: int) -> str:
    """A file full of ordinary properties."""
    part = {"type": "object", "properties": {"a": {"type": "string", "description": "x" * 900}}}
    named = {f"p{i}": part for i in range(megabytes * 1000)}
    return json.dumps({"type": "object", "properties": named})


_UNFOLDING: dict[str, Any] = {
    "oneOf": [
        {
            "additionalProperties": {
                "required": ["b"],
                "patternProperties": {
                    "^a": {"minimum": 3},
                    "^.?$": {"type": ["boolean", "string"]},
                },
                "properties": {"c": {"type": "integer"}, "b": {"maximum": 1000}},
                "dependentSchemas": {"d": {"$ref": "#"}},
                "unevaluatedProperties": False,
                "if": {"enum": [False, ""]},
                "then": {"type": "string"},
                "else": {"type": "number"},
            }
        },
        {
            "properties": {
                "c": {
                    "minimum": 1,
                    "anyOf": [{"$dynamicRef": "#"}, {"type": ["array", "integer"]}],
                },
                "e": {"patternProperties": {"^.?$": {"$ref": "#"}}},
            }
        },
    ]
}
"""Asks for some ten megabytes of stack before the library gives up unfolding it."""


HOSTILE: dict[str, Callable[[], str]] = {
    "items, 10,000 deep": lambda: _nested('{"items":', "}", 10_000),
    "items, 300 deep": lambda: _nested('{"items":', "}", 300),
    "properties, 10,000 deep": lambda: _nested('{"properties":{"a":', "}}", 10_000),
    "properties, 200 deep": lambda: _nested('{"properties":{"a":', "}}", 200),
    "not, 10,000 deep": lambda: _nested('{"not":', "}", 10_000),
    "not, 300 deep": lambda: _nested('{"not":', "}", 300),
    "allOf, 10,000 deep": lambda: _nested('{"allOf":[', "]}", 10_000),
    "allOf, 300 deep": lambda: _nested('{"allOf":[', "]}", 300),
    "oneOf, 60 deep": lambda: _nested('{"oneOf":[{"type":"null"},', "]}", 60),
    "if, 300 deep": lambda: _nested('{"if":{"required":["a"]},"then":', "}", 300),
    "brackets without end": lambda: "[" * 1_000_000,
    "const, 10,000 deep": lambda: '{"const":' + _nested("[", "]", 10_000, "") + "}",
    "const, 400 deep": lambda: '{"const":' + _nested("[", "]", 400, "") + "}",
    "enum of 1,000,000 integers": lambda: json.dumps({"enum": list(range(1_000_000))}),
    "enum of 1,000,000 strings": lambda: json.dumps({"enum": [f"v{i}" for i in range(10**6)]}),
    "enum of 20,000 strings": lambda: json.dumps({"enum": [f"value-{i}" for i in range(20_000)]}),
    "enum of 5,000 objects": lambda: json.dumps({"enum": [{"id": i} for i in range(5_000)]}),
    "two enums that share little": lambda: json.dumps(
        {"allOf": [{"enum": [*range(20_000)]}, {"enum": [*range(19_999, 40_000)]}]}
    ),
    "const of 1,000,000 characters": lambda: json.dumps({"const": "x" * 1_000_000}),
    "pattern of 200,000 characters": lambda: _pattern("^" + "ab" * 100_000 + "$"),
    "pattern of 5,000 choices": lambda: _pattern("|".join(f"word{i}" for i in range(5_000))),
    "pattern (a+)+": lambda: _pattern("^(a+)+$"),
    "pattern (a|aa)+b": lambda: _pattern("^(a|a?)+b$"),
    "pattern with 2 ** 30 states": lambda: _pattern("^[ab]*a[ab]{30}$"),
    "pattern with nested counts": lambda: _pattern("^((a{1,100}){1,100}){1,100}$"),
    "pattern with a huge count": lambda: _pattern("^a{1000000}$"),
    "pattern of Unicode classes": lambda: _pattern(r"^(\p{L}{1,50}\s?){1,50}$"),
    "pattern, nested groups": lambda: _pattern("(" * 5_000 + "a" + ")" * 5_000),
    "pattern with a look-ahead": lambda: _pattern("^(?=.*[0-9])(?=.*[a-z])(?!.*foo).{8,64}$"),
    "pattern with a backreference": lambda: _pattern(r"^(a+)\1$"),
    "many patterns on one string": lambda: json.dumps(
        {"type": "string", "allOf": [{"pattern": f"[a-z]*{i}[0-9]*"} for i in range(60)]}
    ),
    "a reference to itself": lambda: '{"$ref": "#"}',
    "two references in a circle": lambda: (
        '{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}'
    ),
    "recursion that unfolds far": lambda: json.dumps(_UNFOLDING),
    "recursion through allOf": lambda: '{"allOf": [{"$ref": "#"}]}',
    "recursion through anyOf": lambda: '{"anyOf": [{"$ref": "#"}, {"type": "null"}]}',
    "recursion through not": lambda: '{"not": {"$ref": "#"}}',
    "recursion through if": lambda: '{"if": {"$ref": "#"}, "then": {"type": "null"}}',
    "required recursion": lambda: (
        '{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}'
    ),
    "recursion through oneOf in items": lambda: (
        '{"oneOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]}'
    ),
    "references, 10,000 in a chain": lambda: _chain(10_000),
    "references through not, 10,000 in a chain": lambda: _chain(10_000, "not"),
    "references through if, 5,000 in a circle": lambda: _chain(5_000, "if", "#/$defs/d0"),
    "references through items, 15,000 in a circle": lambda: _chain(15_000, "items", "#/$defs/d0"),
    "references that double 40 times": lambda: _doubling(40),
    "allOf references that double 25 times": lambda: _all_of_doubling(25),
    "10 MB of properties": lambda: _big(10),
    "10 MB of text": lambda: json.dumps({"description": "x" * 10_000_000}),
    "10 MB of white space": lambda: " " * 10_000_000 + "{}",
    "5,000 properties": lambda: _properties(5_000),
    "5,000 required properties": lambda: _properties(
        5_000, required=[f"property_{i}" for i in range(5_000)]
    ),
    "2,000 closed properties": lambda: _properties(2_000, additionalProperties=False),
    "100,000 required keys without properties": lambda: json.dumps(
        {"type": "object", "required": [f"key_{i}" for i in range(100_000)]}
    ),
    "300 overlapping patternProperties": lambda: _patterns(300),
    "40 overlapping patternProperties": lambda: _patterns(40),
    "a big multipleOf": lambda: '{"type": "integer", "multipleOf": 123456789012345678901234567}',
    "a prime multipleOf": lambda: '{"type": "integer", "multipleOf": 1000003}',
    "a tiny multipleOf": lambda: '{"type": "number", "multipleOf": 1e-300}',
    "two multipleOf": lambda: '{"allOf": [{"multipleOf": 9973}, {"multipleOf": 9967}]}',
    "bounds of 4,000 digits": lambda: json.dumps({"minimum": 1}).replace("1", "1" * 4_000),
    "an exponent of nine digits": lambda: '{"type": "number", "maximum": 1e999999999}',
    "minItems of 1,000,000": lambda: '{"type": "array", "minItems": 1000000}',
    "maxItems of 1,000,000,000": lambda: '{"type": "array", "maxItems": 1000000000}',
    "minLength of 1,000,000": lambda: '{"type": "string", "minLength": 1000000}',
    "maxLength of 2 ** 62": lambda: '{"type": "string", "maxLength": 4611686018427387904}',
    "nested maxItems": lambda: _nested('{"type":"array","maxItems":500,"items":', "}", 8),
    "minProperties of 1,000,000": lambda: '{"type": "object", "minProperties": 1000000}',
    "uniqueItems over a large enum": lambda: json.dumps(
        {"type": "array", "uniqueItems": True, "items": {"enum": [*range(2_000)]}}
    ),
    "contains, 1,000,000 times": lambda: (
        '{"type": "array", "contains": {"const": 1}, "minContains": 1000000}'
    ),
    "anyOf product of 2 ** 20": lambda: _product(20, 2),
    "anyOf product of 2 ** 14": lambda: _product(14, 2),
    "pairs that exclude each other, 8 times": lambda: json.dumps(
        {"allOf": [{"not": {"required": [f"a{i}", f"b{i}"]}} for i in range(8)]}
    ),
    "a const of 100,000 items": lambda: json.dumps({"const": [*range(100_000)]}),
    "oneOf of 3,000 patterns": lambda: json.dumps(
        {"oneOf": [{"type": "string", "pattern": f"^k{i}"} for i in range(3_000)]}
    ),
    "anyOf product of 10 ** 8": lambda: _product(8, 10),
    "oneOf of 500 objects": lambda: json.dumps(
        {"oneOf": [{"properties": {"kind": {"const": i}}} for i in range(500)]}
    ),
    "anyOf of 5,000 branches": lambda: json.dumps(
        {"anyOf": [{"type": "string", "pattern": f"^{i}-[a-z]*$"} for i in range(5_000)]}
    ),
    "prefixItems of 20,000": lambda: json.dumps({"prefixItems": [{"type": "null"}] * 20_000}),
    "dependencies among 500 keys": lambda: json.dumps(
        {"dependentRequired": {f"k{i}": [f"k{(i + 1) % 500}"] for i in range(500)}}
    ),
    "if of 60 layers": lambda: json.dumps(
        {"allOf": [{"if": {"required": [f"k{i}"]}, "then": {"required": [f"t{i}"]},
                    "else": {"required": [f"e{i}"]}} for i in range(60)]}
    ),
    "unevaluatedProperties over 200 branches": lambda: json.dumps(
        {"anyOf": [{"properties": {f"k{i}": {"type": "null"}}} for i in range(200)],
         "unevaluatedProperties": False}
    ),
    "a key of 1,000,000 characters": lambda: json.dumps({"properties": {"k" * 10**6: {}}}),
    "a lone surrogate": lambda: '{"const": "\\ud800"}',
    "a null character in a key": lambda: '{"properties": {"\\u0000": {"const": "\\u0000"}}}',
}  # fmt: skip
