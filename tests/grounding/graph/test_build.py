"""Graphs from files: formats, broken files, what is kept, and what damage is found."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
from pathlib import Path

import graph_cases as cases
import pytest

from tether.errors import EvidenceError, TetherError, UnavailableError, UsageError
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.reading import Source
from tether.grounding.graph.verify import verify
from tether.grounding.index.maker import Silent

NT = '<http://e/a> <http://e/p> "x"@en .\n'
FILES = {
    "a.ttl": '@prefix : <http://e/> . :a :p "x"@en .',
    "a.nt": NT,
    "a.nq": NT,
    "a.trig": '@prefix : <http://e/> . :a :p "x"@en .',
    "a.jsonld": '[{"@id": "http://e/a", "http://e/p": [{"@value": "x", "@language": "en"}]}]',
    "a.rdf": '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://e/">'
    '<rdf:Description rdf:about="http://e/a"><p xml:lang="en">x</p></rdf:Description></rdf:RDF>',
}
BROKEN = {
    "line.ttl": ("@prefix : <http://e/> .\n:a :b .\n", r"line\.ttl:2: ", "Mend that place"),
    "prefix.ttl": ("\n\nx:a x:b x:c .", r"prefix\.ttl:3: .*prefix", "Declare that prefix"),
    "relative.ttl": ("<a> <b> <c> .", r"relative\.ttl:1: ", "--base IRI"),
    "half.nt.gz": ("", r"half\.nt\.gz cannot be unpacked", "Fetch it again"),
    "nested.ttl": (
        "<< <http://e/a> <http://e/b> 1 >> <http://e/c> 2 .",
        "a triple inside of a triple",
        "nodes of their own",
    ),
    "bytes.nt": ("", r"bytes\.nt", ""),
    "empty.ttl": ("", "no triples", "Name files that do"),
    "xml.rdf": ("<rdf:RDF", r"xml\.rdf", ""),
    "json.jsonld": ("[{", r"json\.jsonld", ""),
}


def rows(graph: Graph, query: str) -> list[tuple[str | None, ...]]:
    try:
        return list(graph.rows(query, Limits()).rows)
    finally:
        graph.close()


@pytest.mark.parametrize("name", [*FILES, "a.nt.gz", "A.TTL"])
def test_formats(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = FILES[name.lower().removesuffix(".gz")]
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    facts = build(tmp_path / "g", Source([path]))
    assert (facts["triples"], facts["predicates"]) == (1, 1)
    graph = Graph.open(tmp_path / "g")
    assert [graph.facts.id(term) is not None for term in ("<http://e/a>", '"x"@en')] == [True] * 2


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(tmp_path: Path, name: str) -> None:
    """The message names file and line, the hint the cure; no folder is left."""
    text, message, hint = BROKEN[name]
    data = {"half.nt.gz": gzip.compress(NT.encode() * 999)[:-20], "bytes.nt": b"<http://e/\xff> ."}
    (tmp_path / name).write_bytes(data.get(name, text.encode()))
    with pytest.raises(EvidenceError, match=message) as caught:
        build(tmp_path / "g", Source([tmp_path / name]))
    assert hint in caught.value.hint
    assert not (tmp_path / "g").exists()


def test_a_failed_build_leaves_the_old_graph(tmp_path: Path) -> None:
    graph = cases.made(tmp_path, FILES["a.ttl"])
    (tmp_path / "bad.ttl").write_text("nonsense")
    with pytest.raises(EvidenceError):
        build(tmp_path / "g", Source([tmp_path / "bad.ttl"]), overwrite=True)
    assert verify(tmp_path / "g", Silent()).generation == graph.manifest.generation
    with pytest.raises(UsageError, match="holds a graph already"):
        build(tmp_path / "g", Source([tmp_path / "data.ttl"]))


@pytest.mark.parametrize(
    ("source", "message"),
    [(Source([Path("none.ttl")]), "There is no file"), (Source([Path("a.txt")]), "not known")],
)
def test_files_that_are_not_there(tmp_path: Path, source: Source, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(tmp_path / "g", source)
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    "prefix",
    [
        *(("1 2", "http://e/"), ("a.", "http://e/"), ("\udcff", "http://e/"), ("a", "no IRI")),
        ("a: <http://e/> . @prefix b", "http://e/"),
        ("b: <http://e/> . <http://e/s> <http://e/p> 1 . @prefix a", "http://e/"),
    ],
)
def test_prefixes_that_are_none(tmp_path: Path, prefix: tuple[str, str]) -> None:
    (tmp_path / "a.ttl").write_text(FILES["a.ttl"])
    with pytest.raises(UsageError, match="is no prefix"):
        build(tmp_path / "g", Source([tmp_path / "a.ttl"]), prefixes=[prefix])
    assert not (tmp_path / "g").exists()


def test_blank_nodes_of_two_files_differ(tmp_path: Path) -> None:
    for name in ("a.nt", "b.nt"):
        (tmp_path / name).write_text("_:x <http://e/p> _:x .\n")
    facts = build(tmp_path / "g", Source([tmp_path / "a.nt", tmp_path / "b.nt"]))
    assert facts["triples"] == 2


def test_named_graphs(tmp_path: Path) -> None:
    """They stand in roles and in the store; merged, in the facts too."""
    (tmp_path / "a.nq").write_text("<http://e/a> <http://e/p> <http://e/b> <http://e/g> .\n")
    build(tmp_path / "g", Source([tmp_path / "a.nq"]))
    graph = Graph.open(tmp_path / "g")
    look = cases.lookup(graph)
    assert graph.facts.num_triples == 0
    assert [look.names.text(int(rank)) for rank in look.role("graph")] == ["<http://e/g>"]
    assert [look.names.text(int(rank)) for rank in look.role("subject")] == ["<http://e/a>"]
    assert look.scope("nonempty").candidates(cases.EMPTY, "subject").fresh is False
    assert rows(graph, "SELECT ?g { GRAPH ?g { ?s ?p ?o } }") == [("<http://e/g>",)]
    build(tmp_path / "m", Source([tmp_path / "a.nq"], merge=True))
    assert Graph.open(tmp_path / "m").facts.num_triples == 1


def test_literals_are_the_stores(tmp_path: Path) -> None:
    """Facts and store agree on what a number is: `01.50` is 1.5, once."""
    graph = cases.made(tmp_path, "@prefix : <http://e/> . :a :p 01.50 , 1.5 , 1.500 .")
    look = cases.lookup(graph)
    assert graph.facts.num_triples == 1
    rank = look.names.rank("1.5")
    assert rank is not None
    assert rows(graph, "SELECT ?s { ?s :p 1.5 }") == [("<http://e/a>",)]


def test_names_read_back(tmp_path: Path) -> None:
    """Every name leads to its rank, and the store's parser reads it as the term that it names."""
    graph = cases.made(tmp_path, NAMED)
    look = cases.lookup(graph)
    texts = {look.names.text(rank): rank for rank in range(len(look.names))}
    assert set(texts) >= WANTED
    assert not any("\n" in text or "_:" in text for text in texts)
    try:
        for text, rank in texts.items():
            assert look.names.rank(text) == rank
            if text != "a":
                asked = f"SELECT ?x {{ VALUES ?x {{ {text} }} }}"
                term = graph.facts.terms[look.names.term(rank)]
                assert graph.rows(asked, Limits()).rows == ((term,),)
    finally:
        graph.close()
    assert look.names.rank(":nothing") is None
    assert set(look.prefixes) == {"", "rdf", "rdfs", "xsd"}


NAMED = r"""@prefix : <http://e/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix unused: <http://unused/> .
:a a :C ; :p :b-c, :ü, :0x, <http://e/dots.in> , <http://e/tail-/x> , <http://e/a%40b> ,
  <mailto:x@y> ,
  <http://e/'a> , 5 , -5 , 1.5 , 1.0e3 , true , "x" , "x"@de , "2015-01-01"^^xsd:date , "q\"\\" ,
  "two\nlines" , "x"^^<http://e/odd.type> , "ab\tc", [] ; rdfs:label "Heinrich Hoch" .
"""
WANTED = {
    *("a", ":a", ":C", ":p", ":b-c", ":ü", ":0x", "rdfs:label", "rdf:type", "<mailto:x@y>", "5"),
    *("<http://e/dots.in>", "<http://e/a%40b>", "<http://e/'a>", "-5", "1.5", "true", '"x"'),
    *('"x"@de', '"2015-01-01"^^xsd:date', r'"q\"\\"', r'"two\nlines"', '"Heinrich Hoch"'),
    '"x"^^<http://e/odd.type>',
}


def test_names_for_another_vocabulary_are_added(tmp_path: Path) -> None:
    graph = cases.made(tmp_path, FILES["a.ttl"])
    one = cases.lookup(graph)
    other = graph.lookup("c" * 64, lambda text: [ord(c) + 7 for c in text])
    assert graph.has_names("b" * 64)
    assert graph.has_names("c" * 64)
    assert one.key != other.key
    assert other.names.rank('"x"@en') == one.names.rank('"x"@en')
    assert set(verify(tmp_path / "g", Silent()).parts) >= {"facts", "store", "names-" + "b" * 12}


def test_names_are_not_mixed_with_a_newer_graph(tmp_path: Path) -> None:
    graph = cases.made(tmp_path, FILES["a.ttl"])
    (tmp_path / "b.ttl").write_text("<http://e/z> <http://e/p> 1 .")
    build(tmp_path / "g", Source([tmp_path / "b.ttl"]), overwrite=True)
    with pytest.raises(UnavailableError, match="built anew"):
        cases.lookup(graph)
    assert not Graph.open(tmp_path / "g").has_names("b" * 64)


def test_a_build_that_is_killed_leaves_the_old_graph(tmp_path: Path) -> None:
    """SIGKILL in the middle: the old graph holds, and the next build sweeps what was left."""
    graph = cases.made(tmp_path, FILES["a.ttl"])
    code = (
        "import os, signal; from pathlib import Path;"
        "from tether.grounding.graph import build as b;"
        "from tether.grounding.graph.reading import Source;"
        "b.Quads = lambda *a: os.kill(os.getpid(), signal.SIGKILL);"
        f"b.build(Path({str(graph.path)!r}), Source([Path({str(tmp_path / 'data.ttl')!r})]),"
        "overwrite=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    parts = graph.path / "parts"
    assert verify(graph.path, Silent()).generation == graph.manifest.generation
    assert (parts / "store.2").exists()
    build(graph.path, Source([tmp_path / "data.ttl"]), overwrite=True)
    assert {path.name for path in parts.iterdir()} == {"facts.2", "store.2"}


def test_labels(tmp_path: Path) -> None:
    text = """@prefix : <http://e/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
    @prefix skos: <http://www.w3.org/2004/02/skos/core#> . :a rdfs:label "Zoo"@de, "zebra"@en-GB .
    :b skos:prefLabel "Apple" . [] rdfs:label "nobody" ."""
    graph = cases.made(tmp_path, text)
    assert list(graph.labels()) == [("Apple", ":b"), ("zebra", ":a"), ("Zoo", ":a")]
    assert list(graph.labels("Z", "en")) == [("zebra", ":a")]
    assert list(graph.labels(language="")) == [("Apple", ":b")]


@pytest.mark.parametrize("part", ["facts", "store", "names-"])
def test_damage_is_found(tmp_path: Path, part: str) -> None:
    graph = cases.made(tmp_path, FILES["a.ttl"])
    cases.lookup(graph)
    (folder,) = (graph.path / "parts").glob(f"{part}*")
    victim = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    with pytest.raises(UnavailableError, match=f"part '{part}.*SHA-256"):
        verify(graph.path, Silent())
    victim.write_bytes(data[:-1])
    with pytest.raises(UnavailableError, match="is damaged"):
        Graph.open(graph.path)


def test_an_index_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="is not a graph") as caught:
        Graph.open(tmp_path)
    assert "tether graph build" in caught.value.hint


def test_hostile_iris_never_become_names(tmp_path: Path) -> None:
    """An IRI that would end its brackets, and a literal that would end its quotes."""
    from tether.grounding.graph.terms import Shortener, is_iri

    assert not is_iri("<http://e/> } SERVICE <http://evil/>")
    assert not any(is_iri(f"<http://e/{c}>") for c in '<>"{}|^`\\ \n\x00')
    writer = Shortener({"": "http://e/", "x y": "http://f/", "webservice": "http://g/"})
    assert writer.text("<http://e/a> . } #>") is None
    assert writer.text('"a" . } #"') is None
    assert writer.text("<http://e/a;b>") == "<http://e/a;b>"
    assert writer.text("<http://f/a>") == "<http://f/a>"
    assert writer.text("<http://g/a>") == "<http://g/a>"
    bad = tmp_path / "bad.nt"
    bad.write_text('<http://e/a> <http://e/p> <http://e/}> .\n<http://e/a> <http://e/p> "x> .\n')
    with pytest.raises(TetherError):
        build(tmp_path / "g", Source([bad]))
