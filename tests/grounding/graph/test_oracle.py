"""The store behind its process: what reaches it, what stops it, and what the refusals say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import graph_cases as cases
import pytest

from tether.errors import GrammarError, LimitReached, UnavailableError
from tether.grounding.graph import guard
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.oracle import Oracle

ENDLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l . ?m ?n0 ?o }"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    made = cases.made(
        tmp_path_factory.mktemp("graph"), cases.turtle(1, nodes=60, predicates=4, triples=400)
    )
    yield made
    made.close()


@pytest.fixture
def listening() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_error(500)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/sparql", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_answers(graph: Graph) -> None:
    assert graph.oracle.ask("ASK { ?s ?p ?o }", 10) is True
    assert graph.oracle.ask("SELECT ?s { ?s <http://e/none> ?o }", 10) is False
    assert graph.oracle.ask("SELECT (COUNT(*) AS ?n) { ?s <http://e/none> ?o }", 10) is True
    table = graph.rows("SELECT (COUNT(?s) AS ?n) ?free { ?s :p0 ?o } GROUP BY ?free", Limits())
    assert table.variables == ("n", "free")
    ((count, free),) = table.rows
    assert (count is not None and "integer" in count, free) == (True, None)
    triples = graph.rows("CONSTRUCT { ?s :made ?o } { ?s :p0 ?o }", Limits())
    assert triples.variables == ("subject", "predicate", "object")
    assert {row[1] for row in triples.rows} == {"<http://e/made>"}


def test_casts_that_the_engine_lacks(graph: Graph) -> None:
    query = "SELECT (<http://www.w3.org/2001/XMLSchema#int>('{}') AS ?n) {{}}"
    for text, wanted in (("12", "12"), ("1.9", "1"), ("-3", "-3"), ("x", None)):
        ((found,),) = graph.rows(query.format(text), Limits()).rows
        assert (found and found.split('"')[1]) == wanted


@pytest.mark.parametrize(
    ("limits", "what"),
    [(Limits(rows=5), "5 rows"), (Limits(cells=20), "20 cells"), (Limits(bytes=100), "100 bytes")],
)
def test_limits_of_answers(graph: Graph, limits: Limits, what: str) -> None:
    with pytest.raises(LimitReached, match=what):
        graph.rows("SELECT * { ?s ?p ?o }", limits)
    assert len(graph.rows("SELECT * { ?s ?p ?o } LIMIT 3", Limits(rows=3)).rows) == 3


def test_a_short_text_with_a_huge_answer_is_cut(graph: Graph) -> None:
    """Lists that cross: four thousand million rows of one kilobyte."""
    values = " ".join(map(str, range(250)))
    crossed = " ".join(f"VALUES ?v{number} {{ {values} }}" for number in range(4))
    with pytest.raises(LimitReached):
        graph.rows(f"SELECT * {{ {crossed} }}", Limits(seconds=5.0))
    assert graph.oracle.ask("ASK { ?s ?p ?o }", 20) is True


def test_a_bad_regex_is_no_trap(graph: Graph) -> None:
    """What takes other engines for ever is read in one go."""
    trap = f'ASK {{ FILTER(REGEX("{"a" * 5000}!", "^(a+)+$")) }}'
    assert graph.rows(trap, Limits(seconds=10.0)).yes is False


def test_a_query_that_takes_too_long_is_killed(graph: Graph) -> None:
    """A join of everything with everything; the next query finds a new process."""
    graph.oracle.ask("ASK {}", 20)
    began = time.monotonic()
    with pytest.raises(LimitReached, match=r"0\.3 s"):
        graph.rows(ENDLESS, Limits(seconds=0.3))
    assert time.monotonic() - began < 5
    assert graph.oracle.ask(ENDLESS, 0.1) is None
    assert graph.oracle.ask("ASK { ?s ?p ?o }", 20) is True


def test_the_child_may_die(graph: Graph) -> None:
    graph.oracle.ask("ASK {}", 20)
    child = graph.oracle._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert graph.oracle.ask("ASK { ?s ?p ?o }", 20) is True
    killer = threading.Timer(0.3, lambda: os.kill(graph.oracle._child.pid, signal.SIGKILL))  # type: ignore[union-attr]
    killer.start()
    assert graph.oracle.ask(ENDLESS, 20) is None
    killer.join()
    assert graph.oracle.ask("ASK { ?s ?p ?o }", 20) is True


def test_the_child_ends_with_its_parent(graph: Graph) -> None:
    """Whatever it is asked: a query may take hours, and nobody waits for its answer."""
    asking = (
        "import sys, threading; from tether.grounding.graph.graph import Graph;"
        "oracle = Graph.open(sys.argv[1]).oracle; oracle.ask('ASK {}', 20);"
        "threading.Timer(0.3, lambda: print(oracle._child.pid, flush=True)).start();"
        "oracle.ask(sys.argv[2], 60)"
    )
    command = [sys.executable, "-c", asking, str(graph.path), ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
    until = time.monotonic() + 20
    while _lives(child) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_nothing_of_this_process_is_in_the_child(graph: Graph) -> None:
    """It is no fork: a module that is only here is not there."""
    graph.oracle.ask("ASK {}", 20)
    child = graph.oracle._child
    assert child is not None
    maps = Path(f"/proc/{child.pid}/maps")
    if not maps.exists():
        pytest.skip("needs Linux")
    assert "pyoxigraph" in maps.read_text()
    assert "_hypothesis" not in maps.read_text()
    assert "numpy" not in maps.read_text()
    assert sys.executable in Path(f"/proc/{child.pid}/cmdline").read_text()


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with (
        Oracle(tmp_path / "none") as oracle,
        pytest.raises(UnavailableError, match="cannot be opened"),
    ):
        oracle.ask("ASK {}", 20)


UPDATES = [
    "INSERT DATA { <http://e/a> <http://e/b> 1 }",
    "DELETE WHERE { ?s ?p ?o }",
    "LOAD <{url}>",
    "CLEAR ALL",
    "DROP DEFAULT",
    "CREATE GRAPH <http://e/g>",
    "COPY DEFAULT TO <http://e/g>",
    "move default to <http://e/g>",
    "ADD DEFAULT TO <http://e/g>",
    "WITH <http://e/g> delete { ?s ?p ?o } WHERE { ?s ?p ?o }",
]
FEDERATED = [
    "SELECT * { SERVICE <{url}> { ?s ?p ?o } }",
    "SELECT * { service silent <{url}> { ?s ?p ?o } }",
    "ASK { { SELECT * { ?s ?p ?o . SERVICE ?o { } } } }",
    "SELECT * { ?s ?p 'a' # '\n SERVICE <{url}> { } }",
    "SELECT * { ?s ?p 'a\\'' . SERVICE <{url}> { } }",
    "SELECT * { ?s ?p '''a'b''' . SERVICE <{url}> { } }",
    "SELECT * { FILTER(?a <?b) SERVICE <{url}> { } }",
    "SELECT * { ?s ?p ?o.SERVICE<{url}>{ } }",
    "SELECT * { SERV\\u0049CE <{url}> { } }",
    "SELECT * { \\u0053ERVICE <{url}> { } }",
    "PREFIX : <{url}> SELECT * { SERVICE:x { ?s ?p ?o } }",
    "PREFIX xSERVICEx: <{url}> SELECT * { xSERVICEx:x ?p ?o }",
    "SELECT * { ?s ?p 1e5SERVICE <{url}> { ?s ?p ?o } }",
    "SELECT * { ?s ?p trueSERVICE <{url}> { ?s ?p ?o } }",
    "SELECT * { ?s ?p ?o. SERVICE?s { ?s ?p ?o } }",
    "PREFIX : <{url}> SELECT * { ?s :a\\'b ?o . SERVICE <{url}> { ?s ?p ?o } ?s :c\\' 'x' }",
    "SELECT * { ?s ?p 'x'@en.SERVICE <{url}> { ?s ?p ?o } }",
]
DEEP = [
    "ASK " + "{" * 40 + "}" * 40,
    "ASK { FILTER" + "(" * 5000 + "1" + ")" * 5000 + "}",
    "ASK { FILTER(" + "!" * 15_000 + "true) }",
    "ASK { FILTER(true" + "&&true" * 2000 + ") }",
    "ASK { {}" + "UNION{}" * 2000 + "}",
    "ASK { ?s " + "^" * 10_000 + "<http://e/p> ?o }",
    "ASK { ?s " + "(" * 5000 + "<http://e/p>" + ")" * 5000 + " ?o }",
    "ASK {" + "?s ?p ?o ." * 500 + "}",
    "ASK {" + "OPTIONAL{?a ?b ?c}" * 800 + "}",
    "ASK { ?s ?p " + "[:p " * 1000 + "]" * 1000 + " }",
    "ASK { ?s ?p " + "(" * 1000 + ")" * 1000 + " }",
    "ASK { FILTER(1 IN (" + "1," * 4000 + "1)) }",
    "ASK {} #" + "x" * 17_000,
]


@pytest.mark.parametrize("query", UPDATES + FEDERATED)
def test_updates_and_requests_are_refused(
    graph: Graph, listening: tuple[str, list[str]], query: str
) -> None:
    url, asked = listening
    before = len(graph.rows("SELECT * { ?s ?p ?o }", Limits()).rows)
    with pytest.raises(GrammarError):
        graph.rows(query.replace("{url}", url), Limits())
    assert graph.oracle.refusal(query.replace("{url}", url))
    assert asked == []
    assert len(graph.rows("SELECT * { ?s ?p ?o }", Limits()).rows) == before


@pytest.mark.parametrize("query", DEEP, ids=lambda query: query[:24])
def test_deep_and_long_texts_never_reach_the_engine(query: str) -> None:
    with pytest.raises(GrammarError, match=r"nested|too many|KiB"):
        guard.check(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ?service ?load { ?service :service ?load . ?x x:service 'SERVICE { LOAD' }",
        'SELECT * { ?s rdfs:label "INSERT DATA"@load , """a "DELETE" b""" } # SERVICE',
        "SELECT * { ?s <http://e/SERVICE> _:service ; :insert ?x . FILTER(?x < 3 && ?x > 1) }",
        "ASK {" + " ?s ?p ?o ." * 60 + " }",
        "PREFIX add: <http://e/> ASK { ?s add:load ?o }",
    ],
)
def test_harmless_texts_pass(query: str) -> None:
    guard.check(query)


def test_from_an_unknown_graph_asks_nobody(graph: Graph, listening: tuple[str, list[str]]) -> None:
    url, asked = listening
    assert graph.rows(f"SELECT * FROM <{url}> {{ ?s ?p ?o }}", Limits()).rows == ()
    assert asked == []


def test_the_store_cannot_be_written(graph: Graph) -> None:
    from pyoxigraph import NamedNode, Quad, Store

    store = Store.read_only(str(graph.manifest.part("store").folder))
    with pytest.raises(RuntimeError, match="read-write"):
        store.add(Quad(NamedNode("http://e/a"), NamedNode("http://e/b"), NamedNode("http://e/c")))
