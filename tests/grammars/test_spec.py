from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tether.errors import GrammarError, SchemaError, UsageError
from tether.grammars import cache
from tether.grammars.json_schema import Bounds
from tether.grammars.spec import Spec, forget_compiled
from tether.grammars.vocabulary import Vocabulary

SCHEMA: Any = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(SCHEMA).encode())
    (tmp_path / "short.schema").write_text("a int\nb?\n")
    (tmp_path / "plain").write_text("a int")
    (tmp_path / "broken.json").write_text('{"a": 1,\n  "b" 2}')
    (tmp_path / "latin.json").write_bytes(b'{"title": "caf\xe9"}')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "g.lark").write_text('start: "a"\n')
    (tmp_path / "g.gbnf").write_text('root ::= "a"\n')
    (tmp_path / "g.txt").write_text('root ::= "a"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "source"),
    [
        (SCHEMA, ""),
        (json.dumps(SCHEMA), ""),
        ("  \n" + json.dumps(SCHEMA, indent=2), ""),
        ("a.json", "a.json"),
        ("@a.json", "@a.json"),
        ("bom.json", "bom.json"),
    ],
)
def test_a_schema_by_value_text_or_file(folder: Path, argument: Any, source: str) -> None:
    spec = Spec.from_schema_argument(argument, folder)
    assert (spec.kind, spec.schema, spec.source) == ("json", SCHEMA, source)


@pytest.mark.parametrize(
    ("argument", "keys"),
    [
        ("a int", ["a"]),
        ("a", ["a"]),
        ('"x y", z', ["x y", "z"]),
        ("short.schema", ["a", "b"]),
        ("plain", ["a"]),
        ("true, b", ["true", "b"]),
    ],
)
def test_the_short_syntax_as_text_or_file(folder: Path, argument: str, keys: list[str]) -> None:
    schema: Any = Spec.from_schema_argument(argument, folder).schema
    assert list(schema["properties"]) == keys


@pytest.mark.parametrize("argument", [True, "true", " true\n"])
def test_boolean_schemas(argument: Any) -> None:
    assert Spec.from_schema_argument(argument).schema is True


@pytest.mark.parametrize(
    ("argument", "kind", "said", "cure"),
    [
        ("as.json", UsageError, "no file as.json", "Did you mean a.json?"),
        ("@nothing", UsageError, "no file @nothing", "Check"),
        ("nowhere/a.json", UsageError, "no file", "no folder"),
        ("latin.json", UsageError, "not UTF-8: byte 14 is 0xe9", "UTF-8"),
        ("broken.json", SchemaError, "broken.json: .*line 2, column 7", "caret"),
        ("list.json", SchemaError, "list.json: .*an array", "looks like"),
        ("[1]", SchemaError, "an array", "looks like"),
        ('{"a": }', SchemaError, "line 1, column 7", "caret"),
        ("a integer", SchemaError, "no type integer", "int"),
    ],
)
def test_errors_of_schema_arguments(
    folder: Path, argument: str, kind: type[Exception], said: str, cure: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        Spec.from_schema_argument(argument, folder)
    assert cure in getattr(caught.value, "hint", "")


def test_a_folder_is_no_file(folder: Path) -> None:
    (folder / "sub.json").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        Spec.from_schema_argument("sub.json", folder)


@pytest.mark.parametrize(
    ("argument", "kind", "source"),
    [
        ("g.lark", "lark", "g.lark"),
        ("g.gbnf", "gbnf", "g.gbnf"),
        ("@g.txt", "gbnf", "@g.txt"),
        ('start: "a"\n', "lark", ""),
        ('root ::= "a"', "gbnf", ""),
    ],
)
def test_grammars_by_file_or_text(folder: Path, argument: str, kind: str, source: str) -> None:
    spec = Spec.from_grammar_argument(argument, folder)
    assert (spec.kind, spec.source) == (kind, source)
    assert spec.findings() == []


SPECS = {
    "json": (Spec.from_schema(SCHEMA, bounds=Bounds()), '{"a":1}', '{"a":"x"}'),
    "regex": (Spec.from_regex("[ab]+"), "ab", "c"),
    "choice": (Spec.from_choices(["yes", "no"]), "no", "maybe"),
    "lark": (Spec("lark", 'start: "x" "y"\n'), "xy", "x"),
    "gbnf": (Spec("gbnf", "root ::= [xy]{2}\n"), "yx", "y"),
}


@pytest.mark.parametrize("name", SPECS)
def test_compiled_and_taken_from_the_caches(
    byte_vocab: Vocabulary, own_cache: Path, name: str
) -> None:
    spec, good, bad = SPECS[name]
    first = spec.compile(byte_vocab)
    assert spec.compile(byte_vocab) is first
    assert list(own_cache.rglob("*.json"))
    forget_compiled()
    revived = spec.compile(byte_vocab)
    assert revived is not first
    assert revived.key == first.key
    for constraint in (first, revived):
        assert constraint.validate(good) is None
        assert constraint.validate(bad)
        tokens = [*byte_vocab.encode(good), byte_vocab.eos_id]
        assert constraint.start().prefix_length(tokens) == len(tokens)


def test_options_are_part_of_the_key() -> None:
    specs = [
        Spec("json", "{}"),
        Spec("json", "{}", whitespace="flexible"),
        Spec("json", "{}", bounds=Bounds()),
        Spec("json", "{}", bounds=Bounds(max_string=5)),
        Spec("regex", "{}"),
        Spec("json", "{ }"),
    ]
    assert len({spec.key for spec in specs}) == len(specs)
    assert Spec("json", "{}", source="a.json").key == specs[0].key


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (Spec("json", '{"type": 3}', "x.json"), SchemaError),
        (Spec("regex", "a(", "x.json"), GrammarError),
        (Spec("lark", "start: b\n", "x.json"), GrammarError),
        (Spec("choice", "[]", "x.json"), GrammarError),
    ],
)
def test_a_refusal_names_the_source_and_is_a_finding(
    byte_vocab: Vocabulary, spec: Spec, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"x\.json: "):
        spec.compile(byte_vocab)
    assert spec.findings()[0].level == "error"


def test_findings_are_kept(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Spec("json", '{"minPropertys": 1, "items": {"colour": 2}}')
    found = spec.findings()
    assert len(found) == 2
    monkeypatch.setattr("tether.grammars.spec._findings", lambda _: pytest.fail("made again"))
    assert spec.findings() == found


def test_findings_and_grammar_share_an_entry(byte_vocab: Vocabulary, own_cache: Path) -> None:
    spec = Spec("lark", 'start: "a"\nb: "c"\n')
    found = spec.findings()
    spec.compile(byte_vocab)
    entry = cache.load(spec.key)
    assert entry == cache.Entry(
        'start: "a"\nb: "c"\n\n%llguidance {"no_forcing": true}\n', tuple(found)
    )
    assert len(list(own_cache.rglob("*.json"))) == 1


def test_only_schemas_have_a_schema() -> None:
    with pytest.raises(UsageError, match="regex has no"):
        _ = Spec("regex", "a").schema
