"""Quotes from the command line: what is compiled, refusals, and the shipped model's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Tether
from fake_engine import FakeEngine

SCHEMA = '{"type":"object","properties":{"q":{"type":"string"}},"required":["q"]}'
NOTE = 'The office is in Graz. "Zoë" Müller\nleads it since 3 May 2019. ' + "Filler of no use. " * 3


def say(text: str) -> str:
    return json.dumps({"say": text})


def test_a_field_is_compiled_over_the_passages_of_the_row(tether: Tether, fake: FakeEngine) -> None:
    given = ("--schema", SCHEMA, "--verbatim", "q", "-e", "one passage", "--extract", "best")
    ran = tether("json", say('{"q":"one"}'), *given)
    assert (ran.code, ran.out) == (0, '{"q":"one"}\n')
    (spec,) = fake.compiled
    assert spec.evidence.texts == ("one passage",)
    assert spec.schema["properties"]["q"] == {"type": "string", "x-tether-verbatim": True}
    assert fake.seen[0].extract


def test_rows_quote_their_own_evidence(tether: Tether, fake: FakeEngine) -> None:
    rows = [{"prompt": say('{"q":"a"}'), "evidence": [text]} for text in ("a b", "b a")]
    rows.append({"prompt": say('{"q":"a"}')})
    lines = "\n".join(map(json.dumps, rows))
    ran = tether("batch", "--schema", SCHEMA, "--verbatim", "q", stdin=lines)
    assert ran.code == 6
    assert [spec.evidence.texts for spec in fake.compiled] == [("a b",), ("b a",)]
    assert "There is no evidence to quote from." in ran.out + ran.err


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("json", "--schema", SCHEMA, "--verbatim", "q"), 3, "no evidence to quote from"),
        (("text", "--verbatim", "."), 3, "no evidence to quote from"),
        (("json", "--schema", SCHEMA, "--verbatim", "p", "-e", "x"), 2, "no value at 'p'"),
        (("text", "--verbatim", "q", "-e", "x"), 2, "there is no schema"),
        (("text", "--verbatim", ".", "--regex", "a", "-e", "x"), 2, "cannot hold together"),
        (
            ("json", "--schema", SCHEMA, "--extract", "best", "-e", "x"),
            2,
            "nothing is to be a quote",
        ),
        (
            ("json", "--schema", '{"x-tether-verbatim": "yes"}', "-e", "x"),
            3,
            "x-tether-verbatim",
        ),
    ],
)
def test_what_cannot_be_quoted_is_refused(
    tether: Tether, fake: FakeEngine, command: tuple[str, ...], code: int, words: str
) -> None:
    ran = tether(*command, say("x"))
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert len(ran.err.splitlines()) >= 2  # the cure
    assert fake.compiled == [] or fake.compiled[0].evidence is None or code == 3


def test_a_profile_names_fields(tether: Tether, fake: FakeEngine, home: Path) -> None:
    (home / "tether.toml").write_text(
        '[profiles.cite]\nschema = "q"\nverbatim = ["q"]\nextract = "best"\nevidence = ["ab"]\n'
    )
    assert tether("json", say('{"q":"ab"}'), "--profile", "cite").code == 0
    assert fake.compiled[0].quotes


def test_the_shipped_model_quotes(tether: Tether, home: Path) -> None:
    (home / "note.txt").write_text(NOTE)
    more = ("-e", "@note.txt", "--schema", SCHEMA, "--verbatim", "q")
    for extra in ((), ("--extract", "best"), ("--temperature", "3", "--seed", "4")):
        ran = tether("json", "Where is it?", *more, *extra)
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["q"] in NOTE
    ran = tether("text", "Since when?", "-e", "@note.txt", "--verbatim", ".", "--extract", "best")
    assert ran.code == 0, ran.err
    assert ran.out.removesuffix("\n") in NOTE


def test_the_place_is_filled_in(tether: Tether, home: Path) -> None:
    schema = {
        "type": "object",
        "x-tether-verbatim": {"min_length": 4},
        "properties": {
            "doc": {"type": "integer"},
            "quote": {"type": "string", "maxLength": 12},
            "start": {"type": "integer"},
            "end": {"type": "integer"},
        },
    }
    given = ("-e", "nothing", "-e", NOTE, "--schema", json.dumps(schema))
    for seed in range(3):
        ran = tether("json", "Who?", *given, "--temperature", "2", "--seed", str(seed))
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        text = ("nothing", NOTE)[found["doc"] - 1]
        assert text[found["start"] : found["end"]] == found["quote"]
        assert len(found["quote"]) >= 4
