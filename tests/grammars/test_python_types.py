from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from tether.errors import UsageError
from tether.grammars.python_types import from_object, from_outlines, from_type
from tether.grammars.vocabulary import Vocabulary


class Invoice(BaseModel):
    number: int = Field(ge=1)
    paid: bool


@dataclass
class Point:
    x: int
    y: int


class Movie(TypedDict):
    name: str


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("value", "good", "bad"),
    [
        (Invoice, '{"number":1,"paid":true}', '{"number":0,"paid":true}'),
        (Point, '{"x":1,"y":2}', '{"x":1}'),
        (Movie, '{"name":"a"}', "{}"),
        (Literal["a", "b"], '"a"', '"c"'),
        (Colour, '"red"', '"green"'),
        (list[int], "[1,2]", '["a"]'),
        ({"type": "integer"}, "3", '"3"'),
    ],
)
def test_python_types(byte_vocab: Vocabulary, value: Any, good: str, bad: str) -> None:
    constraint = from_object(value).compile(byte_vocab)
    assert constraint.validate(good) is None
    assert constraint.validate(bad)
    tokens = byte_vocab.encode(good)
    assert constraint.start().prefix_length(tokens) == len(tokens)


def test_what_has_no_schema_is_refused() -> None:
    class Odd:
        pass

    with pytest.raises(UsageError, match="no JSON Schema"):
        from_object(Odd)


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    before = set(sys.modules)
    (tmp_path / "shop_types.py").write_text(
        "from pydantic import BaseModel\n"
        "class Invoice(BaseModel):\n    number: int\n    class Line(BaseModel):\n        n: int\n"
    )
    (tmp_path / "shop_broken.py").write_text("1 / 0\n")
    (tmp_path / "shop_needy.py").write_text("import no_such_package_of_ours\n")
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_type_by_its_path(
    module: Path, byte_vocab: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(module)
    path = list(sys.path)
    spec = from_type("shop_types:Invoice")
    assert sys.path == path
    assert spec.source == "shop_types:Invoice"
    assert spec.compile(byte_vocab).validate('{"number":3}') is None
    assert from_type("shop_types:Invoice.Line").schema["required"] == ["n"]  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("path", "said", "cure"),
    [
        ("shop_types", "names no type", "package.module:Name"),
        (":Invoice", "names no type", "package.module:Name"),
        ("shop_typs:Invoice", "no module 'shop_typs'", "folder"),
        ("shop_types.sub:Invoice", "no module", "folder"),
        ("shop_types:Invoce", "no 'Invoce'", "Did you mean Invoice"),
        ("shop_types:zzz", "no 'zzz'", "Invoice"),
        ("shop_broken:A", "ZeroDivisionError", "Correct"),
        ("shop_needy:A", "needs 'no_such_package_of_ours'", "Install"),
    ],
)
def test_errors_of_paths(module: Path, path: str, said: str, cure: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        from_type(path, module)
    assert cure in caught.value.hint


@pytest.mark.filterwarnings("default")
def test_outlines_terms(byte_vocab: Vocabulary) -> None:
    dsl = pytest.importorskip("outlines.types.dsl")
    types = pytest.importorskip("outlines.types")
    term = "ID-" + types.digit.between(2, 3) + types.optional("/x y")
    cases = [
        (term, "regex", ["ID-12", "ID-123/x y"], ["ID-1", "ID-12/xy"]),
        (types.date, "regex", ["2024-01-31"], ["2024-13-31"]),
        (types.regex("[ab]+"), "regex", ["ab"], ["c"]),
        (types.either("yes", "no (maybe)"), "regex", ["no (maybe)"], ["no"]),
        (dsl.Choice(["x", "y"]), "choice", ["x"], ["z"]),
        (types.json_schema({"type": "integer"}), "json", ["3"], ["x"]),
        (types.cfg('start: "a" "b"'), "lark", ["ab"], ["a"]),
        (bool, "regex", ["True"], ["true"]),
    ]
    for value, kind, good, bad in cases:
        spec = from_outlines(value)
        assert spec.kind == kind
        constraint = spec.compile(byte_vocab)
        assert [text for text in good if constraint.validate(text)] == []
        assert [text for text in bad if constraint.validate(text) is None] == []
    assert from_object(term).kind == "regex"
    with pytest.raises(UsageError, match="no meaning"):
        from_outlines(object())


def test_without_outlines_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "outlines.types.dsl", None)
    with pytest.raises(UsageError) as caught:
        from_outlines(int)
    assert "pip install" in caught.value.hint


def test_the_schema_text_keeps_its_order() -> None:
    schema = json.loads(from_object(Invoice).text)
    assert list(schema["properties"]) == ["number", "paid"]
