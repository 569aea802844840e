"""Names made of labels: prefixes that stand for whole IRIs."""

from __future__ import annotations

from pathlib import Path

import graph_cases as cases
import pytest

from tether.graphs import Name, Triple
from tether.grounding.graph import guard
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.lookup import Lookup
from tether.grounding.graph.reading import Source

OPAQUE = """@prefix w: <http://w/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
w:Q1 w:P1 w:Q2 ; rdfs:label "Heinrich Hoch"@en , "Heinz"@de .
w:Q2 w:P1 w:Q3 ; rdfs:label "heinrich hoch"@en .
w:Q3 w:P1 <http://w/dots.and/p%20q> , <http://w/#> , w:Q4 , w:Q5 , w:Q6 ; rdfs:label "42!"@en .
w:P1 rdfs:label "knows — of"@en .
w:Q4 rdfs:label "Web Service"@en . w:Q5 rdfs:label "Webservice"@en . w:Q6 rdfs:label "Filter"@en .
"""


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    (tmp_path / "a.ttl").write_text(OPAQUE, encoding="utf-8")
    build(tmp_path / "g", Source([tmp_path / "a.ttl"]), language="en")
    return Graph.open(tmp_path / "g")


def rank(look: Lookup, text: str) -> int:
    found = look.names.rank(text)
    assert found is not None
    return found


def test_each_name_stands_for_its_iri(graph: Graph) -> None:
    look = cases.lookup(graph)
    texts = {look.names.text(int(r)) for r in look.role("subject")}
    assert {"Heinrich_Hoch:", "heinrich_hoch_2:", "n_42:", "knows_of:", "Web_Service:"} <= texts
    assert {look.names.text(int(r)) for r in look.role("predicate")} == {"knows_of:", "rdfs:label"}
    objects = {look.names.text(int(r)) for r in look.role("object")}
    assert {"p_20q:", "n_42:"} <= objects
    assert "Webservice:" not in texts
    assert "Filter:" not in texts
    try:
        for text in texts | objects:
            if text.endswith(":"):
                query = f"ASK {{ {{ {text} ?p ?o }} UNION {{ ?s ?p {text} }} }}"
                guard.check(query)
                assert graph.rows(query, Limits()).yes, text
    finally:
        graph.close()


def test_a_finished_query_is_plain_sparql(graph: Graph) -> None:
    """With the prefixes that it uses declared, it says the same without us."""
    look = cases.lookup(graph)
    head = "".join(
        f"PREFIX {name}: <{look.prefixes[name]}>\n" for name in ("Heinrich_Hoch", "knows_of")
    )
    try:
        found = graph.oracle.rows(head + "SELECT ?x { Heinrich_Hoch: knows_of: ?x }", Limits())
        assert found.rows == (("<http://w/Q2>",),)
    finally:
        graph.close()


def test_scopes_take_them(graph: Graph) -> None:
    look = cases.lookup(graph)
    triple = Triple(Name(rank(look, "Heinrich_Hoch:")), Name(rank(look, "knows_of:")))
    found = look.scope("nonempty").candidates(triple, "object")
    assert [look.names.text(int(r)) for r in found.ranks] == ["heinrich_hoch_2:"]
    assert list(graph.labels("heinrich", "en")) == [
        ("Heinrich Hoch", "Heinrich_Hoch:"),
        ("heinrich hoch", "heinrich_hoch_2:"),
    ]
