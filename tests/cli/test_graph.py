"""`tether graph`: what goes to stdout and stderr, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Tether

COMPANY = Path(__file__).resolve().parents[2] / "docs" / "examples" / "company.ttl"
CITIES = "SELECT ?n WHERE { ?x a :City ; rdfs:label ?n . } ORDER BY ?n LIMIT 2"


@pytest.fixture
def kg(home: Path, tether: Tether) -> str:
    ran = tether("graph", "build", str(COMPANY), "-o", "kg")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("kg: 682 triples, ")
    return "kg"


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("csv", "n\r\nBasel\r\nBern\r\n"),
        ("tsv", '?n\n"Basel"\n"Bern"\n'),
        ("table", "n\nBasel\nBern\n"),
    ],
)
def test_query(kg: str, tether: Tether, output: str, wanted: str) -> None:
    ran = tether("graph", "query", kg, CITIES, "-o", output)
    assert (ran.code, ran.out, ran.err) == (0, wanted, "")


def test_what_was_built_is_used_without_being_written(kg: str, home: Path, tether: Tether) -> None:
    before = sorted((home / kg).rglob("*"))
    manifest = (home / kg / "manifest.json").read_bytes()
    assert tether("sparql", "Who manages Heinrich Hoch?", "-g", kg).code == 0
    assert sorted((home / kg).rglob("*")) == before
    assert (home / kg / "manifest.json").read_bytes() == manifest


def test_query_from_stdin(kg: str, tether: Tether) -> None:
    for args in ([], ["-"]):
        ran = tether("graph", "query", kg, *args, stdin="ASK { :Leipzig :country :Germany }")
        assert ran.rows == [{"head": {}, "boolean": True}]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["SELECT ?x { ?x a :City"], 3, "The query stops before it is complete"),
        (["INSERT DATA { :a :b :c }"], 3, "INSERT would change the graph"),
        (["SELECT * { SERVICE <http://e/> {} }"], 3, "SERVICE"),
        (["SELECT * { ?s ?p ?o }", "--max-rows", "5"], 5, "more than 5 rows"),
        (["SELECT ?x { ?x nope:y ?z }"], 3, "nope"),
        (["ASK {}", "-o", "xml"], 2, "xml"),
        (["ASK {}", "--timeout", "inf"], 2, "--timeout"),
        (["--endpoint", "http://[::1/"], 2, "is no address of an endpoint"),
    ],
)
def test_queries_that_fail_print_nothing(
    kg: str, tether: Tether, args: list[str], code: int, message: str
) -> None:
    ran = tether("graph", "query", kg, *args)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert len(ran.err.splitlines()) <= 4


def test_nothing_is_asked(home: Path, tether: Tether) -> None:
    assert tether("graph", "query").code == 2
    assert tether("graph", "query", "none", "ASK {}").code == 7
    ran = tether("graph", "query", "--endpoint", "http://127.0.0.1:1/", "ASK {}")
    assert (ran.code, ran.out) == (7, "")
    assert tether("graph", "query", "kg", "ASK {}", "--endpoint", "http://127.0.0.1:1/").code == 2


def test_labels(kg: str, tether: Tether) -> None:
    ran = tether("graph", "labels", kg, "heinrich h")
    assert (ran.code, ran.out) == (0, "Heinrich Hoch\t:HeinrichHoch\n")
    assert tether("graph", "labels", kg, "Heinrich", "--lang", "de").out == ""
    assert tether("graph", "labels", kg, "heinrich h", "--json").rows == [
        {"label": "Heinrich Hoch", "name": ":HeinrichHoch"}
    ]


def test_info_and_verify(kg: str, tether: Tether, home: Path) -> None:
    (facts,) = tether("graph", "info", kg, "--json").rows
    assert facts["parts"]["facts"]["triples"] == 682
    assert facts["parts"]["facts"]["prefixes"][""] == "https://example.org/company#"
    assert "facts: " in tether("graph", "info", kg).out
    ran = tether("graph", "verify", kg)
    assert ran.code == 0
    assert {"facts: ok", "store: ok"} < set(ran.out.splitlines())
    victim = next((home / "kg" / "parts").glob("facts.*/terms.bin"))
    victim.write_bytes(b"x" + victim.read_bytes()[1:])
    ran = tether("graph", "verify", kg)
    assert (ran.code, ran.out) == (7, "")
    assert "tether graph build" in ran.err


def test_a_broken_file_names_its_line(home: Path, tether: Tether) -> None:
    (home / "bad.ttl").write_text("@prefix : <http://e/> .\n:a :b .\n")
    ran = tether("graph", "build", "bad.ttl", "-o", "kg")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("tether: bad.ttl:2: ")
    assert not (home / "kg").exists()


def test_prefixes_and_merged_graphs(home: Path, tether: Tether) -> None:
    (home / "a.nq").write_text('<http://e/a> <http://e/p> "x" <http://e/g> .\n')
    args = ["a.nq", "-o", "kg", "--merge-graphs", "--prefix", ":=http://e/"]
    assert tether("graph", "build", *args).code == 0
    rows = json.loads(tether("graph", "query", "kg", "SELECT ?x { :a :p ?x }").out)
    assert rows["results"]["bindings"] == [{"x": {"type": "literal", "value": "x"}}]
    assert tether("graph", "build", *args).code == 2
    assert tether("graph", "build", *args, "--overwrite").code == 0
    ran = tether("graph", "build", "a.nq", "-o", "other", "--prefix", "nonsense")
    assert (ran.code, ran.out) == (2, "")
