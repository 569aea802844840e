"""Texts of SPARQL: the W3C's suites, the limits, and what is never run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from w3c import queries

from tether.errors import GrammarError
from tether.grammars.engine import EngineConstraint, with_engine_options
from tether.grammars.sparql.checks import check, check_static
from tether.grammars.sparql.text import _parser, grammar_text, parse
from tether.grammars.vocabulary import Vocabulary

ARCHIVE = "w3c-sparql/sparql10-11-queries.tar.gz"


def _accepts(text: str) -> bool:
    try:
        check_static(parse(text))
    except GrammarError:
        return False
    return True


def test_all_positive_queries_are_accepted(shared: Path) -> None:
    good, _, _ = queries(shared / ARCHIVE)
    assert len(good) >= 780
    assert [name for name, text in good.items() if not _accepts(text)] == []


def test_all_negative_queries_are_refused(shared: Path) -> None:
    _, bad, _ = queries(shared / ARCHIVE)
    assert len(bad) == 90
    assert [name for name, text in bad.items() if _accepts(text)] == []


def test_all_updates_are_refused(shared: Path) -> None:
    _, _, updates = queries(shared / ARCHIVE)
    assert len(updates) == 148
    # An empty request and prologues alone are no queries either.
    assert [name for name, text in updates.items() if _accepts(text)] == []


def test_the_queries_of_qald_are_accepted(shared: Path) -> None:
    held = json.loads((shared / "qald10/qald_10.json").read_text())
    texts = [question["query"]["sparql"] for question in held["questions"]]
    assert len(texts) == 394
    assert [text for text in texts if not _accepts(text)] == []


def test_the_engine_takes_what_we_parse(shared: Path, byte_vocab: Vocabulary) -> None:
    """The `[write]` variant: white space of blanks and newlines, names without dots."""
    good, _, _ = queries(shared / ARCHIVE)
    grammar = grammar_text("write") + 'PNAME_NS: (PN_CHARS_BASE PN_CHARS*)? ":"\n'
    engine = EngineConstraint(with_engine_options(grammar), byte_vocab)
    sample = [text for name, text in good.items() if "syntax-query" in name and "#" not in text]
    fits = [t for t in sample if "\t" not in t and "\r" not in t and "\\u" not in t.lower()]
    refused = [text for text in fits if "SERVICE" not in text and engine.validate(text.strip())]
    assert len(fits) > 30
    assert all("." in text.split(":", 1)[-1] for text in refused)
    assert len(refused) <= 2


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * WHERE { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }",
        "SELECT * WHERE { OPTIONAL { service silent ?x { ?s ?p ?o } } }",
        "LOAD <http://127.0.0.1:1/x>",
        "INSERT DATA { <http://a> <http://b> 1 }",
        "DELETE WHERE { ?s ?p ?o }",
        "CLEAR ALL",
        "DROP GRAPH <http://g>",
        "SELECT * WHERE { ?s ?p ?o } ; CLEAR ALL",
        "ASK " + "{" * 5_000 + "}" * 5_000,
        "ASK { FILTER(" + "(" * 2_000 + "1" + ")" * 2_000 + ") }",
        "SELECT * WHERE { ?s " + "!" * 20_000 + "<http://p> ?o }",
        "ASK { FILTER(" + " && ".join(["true"] * 900) + ") }",
        "ASK { " + " UNION ".join(["{ ?s ?p ?o }"] * 500) + " }",
        "ASK { " + "OPTIONAL { ?s ?p ?o } " * 400 + "}",
        "ASK { " + "?s ?p ?o . " * 500 + "}",
        "ASK { ?s " + "/".join(["<p:p>"] * 200) + " ?o }",
        "ASK { ?s ?p " + "[ ?p " * 100 + "1" + " ]" * 100 + " }",
        "SELECT * WHERE { ?s ?p '" + "x" * 20_000 + "' }",
        'ASK { ?s ?p "' + ")" * 3_000 + '" FILTER(' + "(" * 3_000 + "1" + ")" * 3_000 + ") }",
        "ASK { FILTER(" + "".join("')' = (" for _ in range(500)) + "1" + ")" * 500 + ") }",
        "ASK { ?s <p:#" + ")" * 900 + "> '' FILTER(" + "(" * 900 + "1" + ")" * 900 + ") }",
        "PREFIX : <p:> ASK { ?s :a\\#b ?o FILTER(" + "(" * 900 + "1" + ")" * 900 + ") }",
        "ASK { # ))))" + ")" * 900 + "\nFILTER(" + "(" * 900 + "1" + ")" * 900 + ") }",
    ],
)
def test_what_is_never_run_is_refused(text: str) -> None:
    with pytest.raises(GrammarError):
        check(text)


def test_a_mistake_is_shown_with_a_caret() -> None:
    with pytest.raises(GrammarError, match="line 2, column 9") as caught:
        parse("SELECT ?x\nWHERE { , }")
    assert caught.value.excerpt == "WHERE { , }\n        ^"
    assert caught.value.pointer == "2:9"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT ?x WHERE { ?x foaf:name ?n }", "prefix `foaf:`"),
        ("SELECT ?x (COUNT(?y) AS ?n) WHERE { ?x ?p ?y }", "neither grouped"),
        ("SELECT (1 AS ?x) (2 AS ?x) {}", "AS \\?x"),
        ("SELECT * { VALUES (?a ?b) { (1) } }", "1 values for 2"),
        ("SELECT * { ?a ?b ?c BIND(1 AS ?a) }", "BIND"),
        ("SELECT * { _:a ?p 1 OPTIONAL { _:a ?q 2 } }", "label _:a"),
        ("SELECT * { ?s ?p '\\uD800' }", "no character"),
        ("SELECT * { ?s ?p ?o } GROUP BY ?s", "SELECT \\*"),
        ("ASK { ?s ?p ?o FILTER(COUNT(?o) > 1) }", "aggregates"),
        ("SELECT ?x WHERE {", "before it is complete"),
    ],
)
def test_what_only_its_context_makes_wrong(text: str, message: str) -> None:
    with pytest.raises(GrammarError, match=message) as caught:
        check(text)
    assert caught.value.hint


def test_each_variant_has_its_own_lines() -> None:
    read, write = grammar_text("read"), grammar_text("write")
    assert "service_graph_pattern:" in read
    assert "service_graph_pattern" not in write
    assert "COMMENT" not in write


def test_brackets_in_strings_are_none() -> None:
    parse("ASK { ?s ?p '" + "(" * 500 + "' ; ?q <p:" + "(" * 100 + "> } # " + "{" * 100)


def test_what_lark_does_with_interegular_is_left_out() -> None:
    """It compares all terminals, which does not end; see `text._lexer`."""
    assert _parser().lexer_conf.skip_validation
