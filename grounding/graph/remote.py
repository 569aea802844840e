"""A graph that another machine serves: a client of the SPARQL 1.1 Protocol.

Only the address that was named is asked: redirects are not followed. An answer is read no further
than its limits. A server that runs out of time may end a good status with half an answer, so
what cannot be read whole is a failure, never a result.

Source: SPARQL 1.1 Protocol, 2.1.3 (query via POST directly), W3C, 2013.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, parse

from tether.errors import GrammarError, LimitReached, UnavailableError, UsageError
from tether.grounding.graph import guard
from tether.grounding.graph.answer import Answer, Limits, over

_RESULTS = "application/sparql-results+json"
_TRIPLES = "application/n-triples"
_PIECE = 1 << 16
_SHOWN = 200
_PER_TERM = 8
"""Bytes of JSON for a byte of a term, at most: what an answer's body may have."""


class Endpoint:
    """A SPARQL endpoint.

    Args:
        url: Where queries go, by http or https.

    Raises:
        UsageError: The address is none.
    """

    def __init__(self, url: str) -> None:
        parts, self._port = _place(url)
        self.url = url
        self._host, self._secure = str(parts.hostname), parts.scheme == "https"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def rows(self, query: str, limits: Limits) -> Answer:
        """All rows of a query.

        Raises:
            GrammarError: The query is refused, here or by the endpoint.
            LimitReached: The answer costs more than `limits`.
            UnavailableError: The endpoint cannot be reached or does not answer as it should.
        """
        guard.check(query)
        kind, body = self._post(query, limits)
        try:
            answer = _triples(body) if _TRIPLES in kind else _results(json.loads(body))
        except (ValueError, SyntaxError, KeyError, TypeError, AttributeError):
            raise UnavailableError(
                f"{self.url} gave half an answer, or none that can be read.",
                hint="It may have run out of time: ask for less (LIMIT).",
            ) from None
        return _within(answer, limits)

    def ask(self, query: str, seconds: float) -> bool | None:
        """Whether a query has a row or says yes; None where that is not known in time."""
        try:
            found = self.rows(query, Limits(seconds=seconds))
        except (LimitReached, UnavailableError):
            return None
        return bool(found.rows) if found.yes is None else found.yes

    def _post(self, query: str, limits: Limits) -> tuple[str, bytes]:
        """The type and the body of the answer."""
        deadline = time.monotonic() + limits.seconds
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        headers = {
            "Content-Type": "application/sparql-query; charset=utf-8",
            "Accept": f"{_RESULTS}, {_TRIPLES};q=0.9",
        }
        try:
            with closing(kind(self._host, self._port, timeout=limits.seconds)) as link:
                link.request("POST", self._path, query.encode(), headers)
                response = link.getresponse()
                body = _read(link, response, deadline, limits.bytes * _PER_TERM)
        except TimeoutError:
            raise over(f"{limits.seconds:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(
                f"{self.url} cannot be asked: {error or type(error).__name__}.",
                hint="Is the endpoint running, and is the address right?",
            ) from error
        self._check(response, body)
        return response.headers.get_content_type(), body

    def _check(self, response: http.client.HTTPResponse, body: bytes) -> None:
        said = body[:_SHOWN].decode("utf-8", "replace").strip()
        if response.status == http.HTTPStatus.BAD_REQUEST:
            raise GrammarError(f"{self.url} refuses the query: {said}", hint="Correct the query.")
        if response.status != http.HTTPStatus.OK:
            raise UnavailableError(
                f"{self.url} answers {response.status} {response.reason}: {said}",
                hint="Redirects are not followed: name the address where they lead."
                if response.status // 100 == 3
                else "",
            )


def _place(url: str) -> tuple[SplitResult, int | None]:
    """The parts of an address, and its port where it has one."""
    with suppress(ValueError):  # a broken [host], or a port that is no number or too great
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts, parts.port
    raise UsageError(
        f"{url!r} is no address of an endpoint.", hint="Write http(s)://HOST[:PORT]/PATH."
    )


def _read(
    link: http.client.HTTPConnection,
    response: http.client.HTTPResponse,
    deadline: float,
    most: int,
) -> bytes:
    """The body, as long as time and size allow."""
    body = bytearray()
    while not response.isclosed():
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if link.sock is not None:
            link.sock.settimeout(left)
        piece = response.read1(_PIECE)
        if not piece:
            break
        body += piece
        if len(body) > most:
            raise over(f"{most} bytes")
    return bytes(body)


def _results(body: Mapping[str, Any]) -> Answer:
    """The answer of a document of SPARQL 1.1 Query Results JSON."""
    if "boolean" in body:
        return Answer((), (), bool(body["boolean"]))
    names = tuple(map(str, body["head"]["vars"]))
    rows = tuple(
        tuple(_term(row[name]) if name in row else None for name in names)
        for row in body["results"]["bindings"]
    )
    return Answer(names, rows)


def _term(binding: Mapping[str, str]) -> str:
    """A term as N-Triples; the classes of the store check IRIs and escape literals."""
    kind, value = binding["type"], binding["value"]
    if kind == "uri":
        return str(NamedNode(value))
    if kind == "bnode":
        return str(BlankNode(value))
    if "xml:lang" in binding:
        return str(Literal(value, language=binding["xml:lang"]))
    named = binding.get("datatype")
    return str(Literal(value, datatype=NamedNode(named)) if named else Literal(value))


def _triples(body: bytes) -> Answer:
    quads = parse(body, RdfFormat.N_TRIPLES)
    rows = tuple((str(q.subject), str(q.predicate), str(q.object)) for q in quads)
    return Answer(("subject", "predicate", "object"), rows)


def _within(answer: Answer, limits: Limits) -> Answer:
    num_rows = len(answer.rows)
    if num_rows > limits.rows:
        raise over(f"{limits.rows} rows")
    if num_rows * len(answer.variables) > limits.cells:
        raise over(f"{limits.cells} cells")
    if sum(len(term) for row in answer.rows for term in row if term) > limits.bytes:
        raise over(f"{limits.bytes} bytes")
    return answer
