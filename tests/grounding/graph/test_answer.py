"""How answers are written."""

from __future__ import annotations

import csv
import io
import json

from tether.grounding.graph.answer import Answer

TABLE = Answer(
    ("x", "label"),
    (
        ("<http://e/a>", '"Anna, \\"A\\"\\n2"@en'),
        ("_:b", '"5"^^<http://www.w3.org/2001/XMLSchema#integer>'),
        (None, '"\\u00FC\\t\\\\"'),
    ),
)
YES = Answer((), (), yes=True)


def test_json() -> None:
    body = json.loads(TABLE.write("json"))
    assert body["head"] == {"vars": ["x", "label"]}
    integer = "http://www.w3.org/2001/XMLSchema#integer"
    assert body["results"]["bindings"] == [
        {
            "x": {"type": "uri", "value": "http://e/a"},
            "label": {"type": "literal", "value": 'Anna, "A"\n2', "xml:lang": "en"},
        },
        {
            "x": {"type": "bnode", "value": "b"},
            "label": {"type": "literal", "value": "5", "datatype": integer},
        },
        {"label": {"type": "literal", "value": "ü\t\\"}},
    ]
    assert json.loads(YES.write("json")) == {"head": {}, "boolean": True}


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(TABLE.write("csv"), newline="")))
    assert rows == [
        ["x", "label"], ["http://e/a", 'Anna, "A"\n2'], ["_:b", "5"], ["", "ü\t\\"]
    ]  # fmt: skip
    assert YES.write("csv") == "boolean\r\ntrue\r\n"


def test_tsv_has_terms_and_no_raw_tabs() -> None:
    lines = TABLE.write("tsv").splitlines()
    assert lines[0] == "?x\t?label"
    assert lines[1].split("\t") == ["<http://e/a>", '"Anna, \\"A\\"\\n2"@en']
    assert [line.count("\t") for line in lines] == [1] * 4
    assert YES.write("tsv") == "boolean\ntrue\n"


def test_tables_move_no_cursor() -> None:
    """Control characters of a hostile graph do not reach a terminal."""
    hostile = Answer(("x",), (('"\\u001B[2Jgone"',), ('"' + "w" * 99 + '"',)))
    lines = hostile.write("table").splitlines()
    assert lines[1] == " [2Jgone"
    assert lines[2] == "w" * 59 + "…"
    assert TABLE.write("table").splitlines()[0] == "x           label"
