"""`tether.generate` and `tether.batch`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from pydantic import BaseModel

import tether
from tether.errors import LimitReached, SchemaError, UsageError


class Person(BaseModel):
    name: str
    age: int


def say(text: str, **script: object) -> str:
    return json.dumps({"say": text, **script})


def test_a_model_class_gives_an_instance(fake: FakeEngine) -> None:
    found = tether.generate(say('{"name":"A","age":3}'), schema=Person)
    assert found == Person(name="A", age=3)
    assert fake.prompts[0].fields == "name, age int"


def test_other_schemas_give_values(fake: FakeEngine, home: Path) -> None:
    (home / "s.json").write_text('{"type": "array"}')
    assert tether.generate(say("[1]"), schema=home / "s.json") == [1]
    assert tether.generate(say('{"a":1}'), schema={"type": "object"}) == {"a": 1}
    assert tether.generate(say('{"a":"x"}'), schema="a") == {"a": "x"}
    assert [spec.kind for spec in fake.compiled] == ["json"] * 3


def test_texts(fake: FakeEngine) -> None:
    assert tether.generate("@x", choices=("@x", "y")) == "@x"
    assert tether.generate("12", regex="[0-9]+") == "12"
    assert tether.generate("free", stop=["."], seed=3, evidence=["a"]) == "free"
    assert fake.seen[-1].sampling.seed == 3
    assert fake.prompts[2].passages == ("a",)


def test_outlines_types(fake: FakeEngine) -> None:
    types = pytest.importorskip("outlines.types")
    assert tether.generate("7", schema=types.digit) == "7"
    assert fake.compiled[0].kind == "regex"


def test_profiles(fake: FakeEngine, home: Path) -> None:
    (home / "tether.toml").write_text('[profiles.p]\nregex = "x"\nseed = 4\n')
    tether.generate("x", profile="p")
    tether.generate("1", profile=["p"], schema=int, seed=5)
    assert [spec.kind for spec in fake.compiled] == ["regex", "json"]
    assert [request.sampling.seed for request in fake.seen] == [4, 5]


def test_errors(fake: FakeEngine) -> None:
    with pytest.raises(LimitReached) as limit:
        tether.generate(say("ab", finish="limit"))
    assert limit.value.partial == "ab"
    with pytest.raises(SchemaError):
        tether.generate("x", schema="name itn")
    with pytest.raises(UsageError, match="Did you mean `max_tokens`"):
        tether.generate("x", max_token=3)
    with pytest.raises(UsageError, match="both say"):
        tether.generate("x", schema=Person, regex="a")


def test_batch(fake: FakeEngine) -> None:
    rows = [{"prompt": say(f'"{n}"', steps=5 - n), "id": f"r{n}"} for n in range(4)]
    found = list(tether.batch([*rows, {"promt": "x"}], schema={"type": "string"}, slots=3))
    assert found[:4] == [{"index": n, "id": f"r{n}", "output": str(n)} for n in range(4)]
    assert (found[4]["index"], found[4]["reason"]) == (4, "usage")


def test_batch_pulls_rows_as_it_needs_them(fake: FakeEngine) -> None:
    pulled = []

    def rows() -> object:
        for number in range(1000):
            pulled.append(number)
            yield {"prompt": str(number)}

    found = tether.batch(rows(), slots=2)  # type: ignore[arg-type]
    assert next(found)["output"] == "0"
    assert len(pulled) < 5
