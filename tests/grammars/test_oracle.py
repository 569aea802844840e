"""The exact judge: labels, drafts, late formats, foreign patterns, numbers, references."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tether.errors import SchemaError
from tether.grammars.json_schema.dialect import strict
from tether.grammars.json_schema.formats import NEWEST, SINCE, late_formats
from tether.grammars.json_schema.oracle import Fault, Oracle
from tether.grammars.json_schema.source import read_schema

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
NO_FORMAT = "\\ {[ \x00"
"""A text that no format allows."""


def accepts(schema: Any, text: str, **options: Any) -> bool:
    oracle = Oracle(schema, **options)
    accepted = oracle.complaint(text) is None
    assert oracle.accepts(text) is accepted
    return accepted


@pytest.mark.shared
def test_every_label_of_maskbench(shared: Path) -> None:
    wrong = []
    with gzip.open(shared / "maskbench" / "visible.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            oracle = Oracle(case["schema"])
            for test in case["tests"]:
                text = json.dumps(test["data"], ensure_ascii=False)
                if {oracle.complaint(text) is None, oracle.accepts(text)} != {test["valid"]}:
                    wrong.append(case["name"])
    assert wrong == []


@pytest.mark.parametrize("name", SINCE)
@pytest.mark.parametrize("draft", [4, 6, 7, 19, 20])
def test_formats_are_judged_in_every_draft(name: str, draft: int) -> None:
    assert not accepts({"format": name}, json.dumps(NO_FORMAT), draft=draft)
    assert accepts({"format": name}, json.dumps(NO_FORMAT), draft=draft, formats="annotate")
    assert accepts({"format": name}, "3", draft=draft)


@pytest.mark.parametrize("draft", [4, 6, 7, 19, 20])
def test_late_formats_are_those_that_the_library_ignores(draft: int) -> None:
    cls = {
        4: jsonschema_rs.Draft4Validator,
        6: jsonschema_rs.Draft6Validator,
        7: jsonschema_rs.Draft7Validator,
        19: jsonschema_rs.Draft201909Validator,
        20: jsonschema_rs.Draft202012Validator,
    }[draft]
    ignored = {
        name for name in SINCE if cls({"format": name}, validate_formats=True).is_valid(NO_FORMAT)
    }
    assert ignored == set(late_formats(draft))
    assert not late_formats(NEWEST)


def test_the_draft_is_read_from_the_schema() -> None:
    uuid = {"format": "uuid", "$schema": DRAFT_4}
    assert accepts(uuid, '"2eb8aa08-aa98-11ea-b4aa-73b441d16380"')
    assert not accepts(uuid, '"2eb8aa08"')
    assert not accepts({"type": "integer", "$schema": DRAFT_4}, "1.0")
    assert accepts({"type": "integer"}, "1.0")
    assert accepts({"type": "integer"}, "1.0", draft=6)
    assert accepts({"$schema": DRAFT_4, "const": 1}, "2")


DIALECTS = [
    (r"(?P<n>a)b(?P=n)1", ["aba1"], ["abb1"]),
    (r"^(?<n>a)\k<n>$", ["aa"], ["an"]),
    (r"\A\d+\Z", ["12"], ["a1", "1a"]),
    (r"(?i)^ab$", ["AB", "ab"], ["ac"]),
    (r"(?s)^a.b$", ["a\nb"], ["ab"]),
    (r"(?#note)^a$", ["a"], ["b"]),
    (r"^[\w-.]+$", ["a-.b"], ["a b"]),
    (r"^[a-\d]$", ["a", "-", "5"], ["b"]),
    (r"^[\\\d-x]$", ["\\", "1", "-", "x"], ["w"]),
    (r"^[[:a:]_]+$", ["a_]", "[_]]"], ["a", "b_]"]),
    (r"^[a-z&&[^b]]$", ["a]", "&]"], ["a", "b"]),
    (r"^[]a]$", ["]", "a"], ["b"]),
    (r"^[^]a]$", ["b"], ["]", "a"]),
    (r"^[^]$", ["b", "\n"], ["", "bb"]),
    (r"[]", [], ["a", ""]),
    (r"^[\b\e]$", ["\b", "\x1b"], ["b", "e"]),
    (r"^a{,3}$", ["", "aaa"], ["aaaa"]),
    (r"^a{2}{,}{}$", ["aa{,}{}"], ["aa"]),
    (r"^}{]$", ["}{]"], ["x"]),
    (r".*\{\{.+}}.*", ["a{{b}}"], ["{{b}"]),
    (r"^\x{41}\é\_$", ["Aé_"], ["B"]),
    (r"^\uD83D\uDE00\U0001F600\u00e9$", ["😀😀é"], ["😀"]),
    (r"^\Qa.b\E$", ["a.b"], ["axb"]),
    (r"^\pL+\h?\R\0$", ["aé \r\n\0", "a\n\0"], ["1\n\0"]),
]


@pytest.mark.parametrize("draft", [4, 20])
@pytest.mark.parametrize(("pattern", "good", "bad"), DIALECTS, ids=[p for p, *_ in DIALECTS])
def test_patterns_of_other_dialects(
    pattern: str, good: list[str], bad: list[str], draft: int
) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.Draft7Validator({"pattern": pattern})
    assert strict(pattern)
    oracle = Oracle({"items": {"pattern": pattern}}, draft=draft)
    assert oracle.complaint(json.dumps(good)) is None
    for text in bad:
        assert oracle.complaint(json.dumps([text]))


@pytest.mark.parametrize("pattern", [r"^a{1,3}$", r"^[\w.-]+@\p{L}+$", "é", "^(a)(?=\\1)", ""])
def test_strict_patterns_stay_as_they_are(pattern: str) -> None:
    assert strict(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [(r"^a++b$", "aab", "aa"), (r"(?x) ^ a b $", "ab", "a b"), (r"^(?>a|ab)c$", "ac", "abc")],
)
def test_what_no_dialect_says_is_judged_by_python(pattern: str, good: str, bad: str) -> None:
    assert strict(pattern) is None
    oracle = Oracle({"$schema": DRAFT_4, "pattern": pattern})
    assert oracle.complaint_about(good) is None
    assert oracle.complaint_about(3) is None
    assert "does not match" in (oracle.complaint_about(bad) or "")


def test_keys_have_foreign_patterns_too() -> None:
    schema: Any = {
        "$schema": DRAFT_4,
        "patternProperties": {r"\Ax}": {"type": "integer"}, r"^x\}": {"minimum": 3}},
        "additionalProperties": False,
        "enum": [{"x}": 4}, {"x}": 2, "pattern": "}"}, {"x}": "}"}],
    }
    assert accepts(schema, '{"x}": 4}')
    assert not accepts(schema, '{"x}": 2, "pattern": "}"}')
    assert not accepts(schema, '{"x}": "}"}')


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"items": {"pattern": "("}}, "/items/pattern"),
        ({"properties": {"a/b": {"pattern": r"\y"}}}, "/properties/a~1b/pattern"),
        ({"patternProperties": {"a++": {}}}, "/patternProperties/a++"),
    ],
)
def test_no_regex_at_all_is_refused(schema: dict[str, Any], pointer: str) -> None:
    with pytest.raises(SchemaError, match="pattern") as caught:
        Oracle(schema, draft=7)
    assert caught.value.pointer == pointer
    assert "ECMA-262" in caught.value.hint


def test_large_regexes_are_compiled() -> None:
    oracle = Oracle({"pattern": r"^(\w{1,99}){1,99}$"})
    assert oracle.complaint_about("a" * 9) is None
    assert oracle.complaint_about("-")


@pytest.mark.parametrize(
    ("schema", "text", "valid"),
    [
        ({"const": 1}, "1.0000000000000000000000001", False),
        ({"maximum": 1}, "1.0000000000000000000000001", False),
        ({"const": 0.1}, "0.1000000000000000055511151231257827", False),
        ({"const": 0.30000000000000004}, "0.30000000000000004", True),
        ({"multipleOf": 0.1}, "0.3", True),
        ({"minimum": 2}, "1e400", True),
        ({"minimum": 2}, "-1e400", False),
        ({"minimum": 2}, "1e9999999999999999999", True),
        ({"maximum": 2}, "1e-9999999999999999999", True),
        ({"type": "integer"}, "1e400", True),
        ({"const": 2**64 + 1}, str(2**64 + 1), True),
        ({"const": 2**64 + 1}, str(2**64), False),
        ({"type": "integer"}, "9" * 5000, True),
        ({"minimum": 2}, "9" * 5000, True),
        ({"maximum": 2}, "9" * 5000, False),
        ({"multipleOf": 3}, "9" * 5000, True),
        ({"multipleOf": 7}, "9" * 5000, False),
        ({"properties": {"a": {"maximum": 2}}}, f'{{"a":-{"9" * 5000}}}', True),
        ({"items": {"$ref": "#"}}, "[" * 300 + "]" * 300, True),
        ({"items": {"$ref": "#"}}, "[" * 9000 + "]" * 9000, False),
        ({}, '"\\ud800"', False),
        ({}, '"\\ud83d\\ude00"', True),
    ],
)
def test_nothing_is_rounded_and_nothing_crashes(schema: Any, text: str, valid: bool) -> None:
    assert accepts(schema, text) is valid


def test_exact_numbers_reach_the_judge() -> None:
    assert Oracle({"multipleOf": 0.1}).complaint_about(Decimal("0.3")) is None  # type: ignore[arg-type]


def test_faults_name_their_places() -> None:
    schema: Any = {
        "properties": {"a": {"items": {"maximum": 3}}, "b": {"enum": [1]}},
        "required": ["c"],
        "additionalProperties": False,
    }
    value: Any = {"a": [1, 5], "b": 2, "d": 0}
    found = {fault.keyword: fault for fault in Oracle(schema).faults(value)}
    assert set(found) == {"maximum", "enum", "required", "additionalProperties"}
    assert found["maximum"] == Fault(
        ("a", 1),
        "maximum",
        ("properties", "a", "items", "maximum"),
        "5 is greater than the maximum of 3",
    )
    assert found["required"].path == ()
    assert list(Oracle(schema).faults({"c": 1})) == list(Oracle(schema).faults({"c": 2}))


@pytest.mark.parametrize(
    ("schema", "said", "cure"),
    [
        ('{"items":' * 2000 + "{}" + "}" * 2000, "too deeply", "less deeply"),
        ('{"const": "\\ud800"}', "surrogate", "whole characters"),
        ('{"maximum": 1e400}', "the number 1e400,", "between"),
        ('{"maximum": -1E400}', "the number -1E400,", "between"),
        ('{"multipleOf": 1e-400}', "the number 1e-400,", "between"),
        (f'{{"maximum": {"9" * 999}.5}}', r"the number 9{40}\.\.\.,", "between"),
    ],
)
def test_schemas_that_cannot_be_read_are_refused_for_what_it_is(
    schema: str, said: str, cure: str
) -> None:
    with pytest.raises(SchemaError, match=said) as caught:
        Oracle(read_schema(schema)[0])
    assert cure in caught.value.hint
    assert ("deep" in caught.value.hint) == ("deep" in said)


@pytest.mark.parametrize("text", ["0.0", "-0e9", "0.00E-999", "1e308", "1e-307", "-2.5"])
def test_numbers_that_are_floats_are_read(text: str) -> None:
    assert read_schema(f'{{"const": {text}}}')[0] == {"const": float(text)}


def test_complaints_are_short() -> None:
    complaint = Oracle({"maxItems": 1}).complaint(json.dumps(["x" * 1000] * 9))
    assert complaint
    assert len(complaint) < 400


def test_errors_below_a_choice_point_at_their_cause() -> None:
    deep: Any = {"$schema": DRAFT_4, "items": {"oneOf": [{"type": "string"}, {"minimum": "3"}]}}
    with pytest.raises(SchemaError) as caught:
        Oracle(deep)
    assert caught.value.pointer == "/items/oneOf/1/minimum"


@pytest.mark.parametrize(
    ("schema", "pointer", "said", "cure"),
    [
        ({"items": {"$ref": "https://a.example/b.json#/c"}}, "/items", "remote", "--allow-remote"),
        ({"items": {"$ref": "http://a.example/b.json"}}, "/items", "remote", "only https"),
        ({"$id": "https://a.example/x", "not": {"$ref": "y.json"}}, "/not", "remote", "$defs"),
        ({"not": {"$ref": "y.json"}}, "/not", "y.json", "$defs"),
        ({"not": {"$ref": "#/$defs/a"}}, "/not", "cannot be resolved", "$defs"),
        ({"not": {"$ref": "#a"}}, "/not", "cannot be resolved", "$defs"),
        ({"not": {"$dynamicRef": "#a"}}, "/not", "cannot be resolved", "$defs"),
        ({"$schema": "https://a.example/meta"}, "/$schema", "not known", "draft's own"),
    ],
)
def test_references_that_lead_nowhere(schema: Any, pointer: str, said: str, cure: str) -> None:
    with pytest.raises(SchemaError, match=said) as caught:
        Oracle(schema)
    assert caught.value.pointer == pointer
    assert cure in caught.value.hint


def test_retrieved_documents_are_judged_by_their_own_draft() -> None:
    documents: dict[str, Any] = {"https://a.example/old": {"$schema": DRAFT_4, "type": "integer"}}
    oracle = Oracle({"$ref": "https://a.example/old"}, retriever=documents.__getitem__)
    assert oracle.complaint("1") is None
    assert oracle.complaint("1.0")


def test_a_failing_retriever_is_named() -> None:
    def fail(uri: str) -> Any:
        raise ValueError(f"no {uri}")

    with pytest.raises(SchemaError, match=r"be had: no https://a.example/b\.\n") as caught:
        Oracle({"not": {"$ref": "https://a.example/b"}}, retriever=fail)
    assert caught.value.pointer == "/not"
