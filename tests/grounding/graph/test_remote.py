"""Endpoints: a real server on loopback, and servers that behave badly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import oxigraph_server
import pytest

from tether.errors import GrammarError, LimitReached, UnavailableError, UsageError
from tether.grounding.graph.answer import Limits
from tether.grounding.graph.remote import Endpoint

ROOT = Path(__file__).resolve().parents[3]
JSON = "application/sparql-results+json"
CITIES = "PREFIX : <https://example.org/company#> SELECT ?x { ?x a :City }"


@pytest.fixture(scope="module")
def oxigraph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Oxigraph's server over the example graph."""
    data = ROOT / "docs" / "examples" / "company.ttl"
    with oxigraph_server.oxigraph(tmp_path_factory.mktemp("server"), data) as url:
        yield url


def test_select_ask_and_construct(oxigraph: str) -> None:
    endpoint = Endpoint(oxigraph)
    table = endpoint.rows(CITIES, Limits())
    assert table.variables == ("x",)
    assert ("<https://example.org/company#Leipzig>",) in table.rows
    prefix = "PREFIX : <https://example.org/company#> "
    assert endpoint.ask(prefix + "ASK { ?x a :City }", 10) is True
    assert endpoint.ask(prefix + "ASK { ?x a :Nothing }", 10) is False
    assert endpoint.ask(CITIES, 10) is True
    made = endpoint.rows(prefix + "CONSTRUCT { ?x a :Town } { ?x a :City }", Limits())
    assert {row[2] for row in made.rows} == {"<https://example.org/company#Town>"}
    literals = endpoint.rows('SELECT * { BIND("a\\n\\"é"@de AS ?x) BIND(1.5 AS ?y) }', Limits())
    decimal = '"1.5"^^<http://www.w3.org/2001/XMLSchema#decimal>'
    assert literals.rows == (('"a\\n\\"é"@de', decimal),)


def test_refusals(oxigraph: str) -> None:
    endpoint = Endpoint(oxigraph)
    with pytest.raises(GrammarError, match="refuses the query"):
        endpoint.rows("SELECT ?x { ?x nope:y ?z }", Limits())
    with pytest.raises(GrammarError, match="INSERT would change"):
        endpoint.rows("INSERT DATA { <http://e/a> <http://e/b> 1 }", Limits())
    with pytest.raises(GrammarError, match="SERVICE"):
        endpoint.rows(f"SELECT * {{ SERVICE <{oxigraph}> {{ ?s ?p ?o }} }}", Limits())


@pytest.mark.parametrize(
    ("limits", "what"), [(Limits(rows=2), "2 rows"), (Limits(cells=2), "2 cells")]
)
def test_limits(oxigraph: str, limits: Limits, what: str) -> None:
    with pytest.raises(LimitReached, match=what):
        Endpoint(oxigraph).rows(CITIES, limits)


Reply = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(reply: Reply) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            reply(self)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr."""

    served = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_port}/sparql?default"
    finally:
        served.shutdown()
        thread.join()
        served.server_close()


def answering(body: bytes, kind: str = JSON, status: int = 200) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        handler.wfile.write(body)

    return reply


TRUNCATED = (
    b'{"head":{"vars":["x"]},"results":{"bindings":[{"x":{"type":"uri","value":"http://e/a"}}'
)
BAD = {
    "truncated": TRUNCATED,
    "cancelled": TRUNCATED + b"The SPARQL operation has been cancelled",
    "html": b"<html>hello</html>",
    "empty": b"",
    "no head": b'{"results":{"bindings":[]}}',
    "no table": b"[1, 2]",
    "odd IRI": TRUNCATED.replace(b"e/a", b"e a") + b"]}}",
    "not utf-8": b'{"head":{"vars":["\xff"]},"results":{"bindings":[]}}',
}


@pytest.mark.parametrize("name", BAD)
def test_half_an_answer_is_none(name: str) -> None:
    """A server that ran out of time still says 200."""
    with server(answering(BAD[name])) as url:
        with pytest.raises(UnavailableError, match="half an answer"):
            Endpoint(url).rows("ASK {}", Limits())
        assert Endpoint(url).ask("ASK {}", 5) is None


@pytest.mark.parametrize("status", [301, 302, 307, 403, 500, 503])
def test_other_statuses(status: int) -> None:
    """Redirects are not followed."""
    with (
        server(answering(b"no", "text/plain", status)) as url,
        pytest.raises(UnavailableError, match=f"answers {status}"),
    ):
        Endpoint(url).rows("ASK {}", Limits())


def test_an_endless_answer_is_cut() -> None:
    """By its bytes, whatever is still to come."""

    def flood(handler: BaseHTTPRequestHandler) -> None:
        answering(TRUNCATED)(handler)
        try:
            while True:
                handler.wfile.write(b" " * (1 << 16))
        except OSError:
            return

    with server(flood) as url, pytest.raises(LimitReached, match="bytes"):
        Endpoint(url).rows("ASK {}", Limits(bytes=1 << 18))


def test_a_slow_answer_is_cut() -> None:
    """Each piece comes in time, the whole does not."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        answering(TRUNCATED)(handler)
        try:
            for _ in range(100):
                handler.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            return

    began = time.monotonic()
    with server(drip) as url:
        with pytest.raises(LimitReached, match=r"0\.3 s"):
            Endpoint(url).rows("ASK {}", Limits(seconds=0.3))
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "127.0.0.1/sparql", "http://", ""),
        *("http://127.0.0.1:x/", "http://127.0.0.1:99999/", "http://[::1/"),
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="is no address of an endpoint"):
        Endpoint(url)


def test_nobody_listens() -> None:
    with pytest.raises(UnavailableError, match="cannot be asked"):
        Endpoint("http://127.0.0.1:1/").rows("ASK {}", Limits())
