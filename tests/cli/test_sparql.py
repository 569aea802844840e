"""`tether sparql`: what goes to stdout and stderr, and the exit codes; with the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import oxigraph_server
import pytest
from command_line import Tether

from tether.grammars.sparql.compile import GraphConstraint

COMPANY = Path(__file__).resolve().parents[2] / "docs" / "examples" / "company.ttl"
MANAGER = "Who manages Heinrich Hoch?"
FILTERED = "Whose salary is higher than 55000?"
"""Only the store can say whether a filter leaves a row."""
ANSWER = "https://example.org/company#NilsFischer"


@pytest.fixture
def kg(home: Path, tether: Tether) -> str:
    assert tether("graph", "build", str(COMPANY), "-o", "kg").code == 0
    return "kg"


def test_a_question_becomes_a_query(kg: str, tether: Tether) -> None:
    ran = tether("sparql", MANAGER, "--graph", kg)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("PREFIX ")
    asked = tether("graph", "query", kg, ran.out, "-o", "csv")
    assert asked.out == f"x\r\n{ANSWER}\r\n"


@pytest.mark.parametrize(
    ("output", "wanted"),
    [("csv", f"x\r\n{ANSWER}\r\n"), ("tsv", f"?x\n<{ANSWER}>\n"), ("table", f"x\n{ANSWER}\n")],
)
def test_execute(kg: str, tether: Tether, output: str, wanted: str) -> None:
    ran = tether("sparql", MANAGER, "-g", kg, "--execute", "-o", output)
    assert (ran.code, ran.out) == (0, wanted)


def test_the_envelope_says_what_holds(kg: str, tether: Tether) -> None:
    ran = tether("sparql", MANAGER, "-g", kg, "--envelope", "--execute")
    wanted = {"requested": "nonempty", "reached": "nonempty", "reason": "", "verified_rows": 1}
    assert ran.rows[0]["guarantee"] == wanted
    ask = tether("sparql", "Is Felix Dorn the manager of Heinrich Hoch?", "-g", kg, "--envelope")
    assert ask.rows[0]["output"].splitlines()[-1].startswith("ASK {")
    assert ask.rows[0]["guarantee"]["reached"] == "vocabulary"
    assert ask.rows[0]["guarantee"]["reason"]
    assert ask.code == 0


def test_a_lower_guarantee_and_explain(kg: str, tether: Tether) -> None:
    ran = tether("sparql", MANAGER, "-g", kg, "--guarantee", "vocabulary", "--explain")
    assert ran.code == 0
    assert "guarantee: vocabulary (asked for: vocabulary)" in ran.err
    assert "had no alternative" in ran.err


def test_what_was_not_proved_is_not_printed(
    kg: str, tether: Tether, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tether.grounding.graph.lookup import Lookup

    monkeypatch.setattr(Lookup, "ask", lambda self, query: None)
    assert tether("sparql", MANAGER, "-g", kg).code == 0  # a tree of triples proves itself
    ran = tether("sparql", FILTERED, "-g", kg)
    assert (ran.code, ran.out) == (5, "")
    assert "`nonempty` was not reached" in ran.err
    assert "--partial" in ran.err
    partial = tether("sparql", FILTERED, "-g", kg, "--partial")
    assert "SELECT" in partial.out


def test_the_last_look_withholds(kg: str, tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GraphConstraint, "validate", lambda self, text: "It is Tuesday.")
    ran = tether("sparql", MANAGER, "-g", kg)
    assert (ran.code, ran.out) == (4, "")


def test_usage(home: Path, tether: Tether) -> None:
    assert tether("sparql", MANAGER, "-g", "nowhere").code == 7
    assert tether("sparql", MANAGER, "--execute").code == 2
    assert tether("sparql", MANAGER, "--guarantee", "nonempty").code == 2
    assert tether("sparql", MANAGER, "--guarantee", "certain").code == 2


def test_without_a_graph_the_syntax_holds(home: Path, tether: Tether) -> None:
    ran = tether("sparql", MANAGER, "--max-tokens", "60")
    assert ran.code in (0, 5)
    assert (ran.code == 5) == (ran.out == "")


def test_batch_rows(kg: str, tether: Tether, home: Path) -> None:
    rows = [
        {"id": "a", "prompt": MANAGER, "sparql": True},
        {"id": "b", "prompt": MANAGER, "sparql": True, "guarantee": "adjacent"},
        {"id": "c", "prompt": "yes?", "choices": ["yes"]},
        {"id": "d", "prompt": MANAGER, "sparql": True, "graph": "/etc"},
    ]
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = tether("batch", "rows.jsonl", "--graph", kg)
    assert ran.code == 6  # rows name no files
    by_id = {row["id"]: row for row in ran.rows}
    assert by_id["a"]["guarantee"]["reached"] == "nonempty"
    assert by_id["b"]["guarantee"]["requested"] == "adjacent"
    assert by_id["c"]["output"] == "yes"
    assert "guarantee" not in by_id["c"]
    assert "d" not in by_id


def test_a_profile_asks_for_queries(kg: str, tether: Tether, home: Path) -> None:
    (home / "tether.toml").write_text('[profiles.ask]\nsparql = true\ngraph = "kg"\n')
    ran = tether("text", MANAGER, "--profile", "ask")
    assert ran.code == 0
    assert "SELECT" in ran.out


def test_a_file_is_a_graph(home: Path, tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("sparql", MANAGER, "-g", str(COMPANY), "--execute", "-o", "csv")
    assert tether(*asked).out == f"x\r\n{ANSWER}\r\n"
    monkeypatch.setattr("tether.grounding.graph.cached.build", None)  # it is made once
    ran = tether(*asked)
    assert (ran.code, ran.out, ran.err) == (0, f"x\r\n{ANSWER}\r\n", "")


def test_a_file_that_changed_is_another_graph(home: Path, tether: Tether) -> None:
    graph = home / "kg.ttl"
    text = COMPANY.read_text()
    for manager in ("NilsFischer", "LenaVogel"):
        graph.write_text(text.replace(":manager :NilsFischer", f":manager :{manager}"))
        ran = tether("sparql", MANAGER, "-g", "kg.ttl", "--execute", "-o", "csv")
        assert ran.out == f"x\r\nhttps://example.org/company#{manager}\r\n"


@pytest.mark.parametrize(
    ("name", "text", "code", "cure"),
    [
        ("kg.txt", "", 2, ".ttl, .nt"),
        ("kg.ttl", "@prefix : <http://e/> .\n:a :b .\n", 3, "Mend that place"),
        ("kg.ttl", "<a> <b> <c> .\n", 3, "tether graph build kg.ttl --base IRI -o FOLDER"),
        ("kg.ttl", "", 3, "Name files that do"),
    ],
)
def test_a_file_that_is_no_graph(
    home: Path, tether: Tether, name: str, text: str, code: int, cure: str
) -> None:
    (home / name).write_text(text)
    ran = tether("sparql", MANAGER, "-g", name)
    assert (ran.code, ran.out) == (code, "")
    assert cure in ran.err
    assert not list((home.parent / "cache" / "graphs").glob("*"))


def test_an_endpoint_in_place_of_a_graph(home: Path, tether: Tether) -> None:
    with oxigraph_server.oxigraph(home, COMPANY) as url:
        ran = tether("sparql", MANAGER, "--endpoint", url, "--execute", "-o", "csv")
        assert (ran.code, ran.out) == (0, f"x\r\n{ANSWER}\r\n")
        told = tether("sparql", MANAGER, "--endpoint", url, "--envelope")
        assert told.rows[0]["guarantee"]["reached"] == "nonempty"
        assert tether("sparql", MANAGER, "--endpoint", url, "-g", "kg").code == 2
    assert tether("sparql", MANAGER, "--endpoint", "http://127.0.0.1:1/").code == 7
    assert tether("sparql", MANAGER, "--endpoint", "nowhere").code == 2
