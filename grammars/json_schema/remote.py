"""Documents behind remote references: fetched over https alone, small ones, in little time."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import urldefrag, urlsplit

from tether.grammars.json_schema.oracle import Oracle, Retriever, draft_of
from tether.grammars.json_schema.source import parse_strictly, read_schema
from tether.types import Json

MOST_BYTES = 1 << 20
"""Size of one document."""
MOST_SECONDS = 5.0
"""Time for one document, from the request to its last byte."""
MOST_DOCUMENTS = 64
"""Documents behind one schema."""

_CHUNK = 1 << 14

Opener = Callable[[str, float], IO[bytes]]
"""Opens a URL, given a time limit in seconds."""


def retriever(open_url: Opener | None = None) -> Callable[[str], Any]:
    """A function that fetches the document at a URI, each once.

    Args:
        open_url: How a URL is opened; by default over the network.

    The function raises ValueError, with the reason, for what is no small JSON document on https.
    """
    opened = open_url or _open
    kept: dict[str, Any] = {}

    def retrieve(uri: str) -> Any:  # noqa: ANN401
        url = urldefrag(uri).url
        if url not in kept:
            if len(kept) >= MOST_DOCUMENTS:
                raise ValueError(f"the schema leads to more than {MOST_DOCUMENTS} documents")
            kept[url] = _fetch(url, opened)
        return kept[url]

    return retrieve


def bundled(text: str, open_url: Opener | None = None) -> str:
    """The schema `text` with the documents that it refers to embedded.

    Raises:
        SchemaError: It is no schema, or a document cannot be had.
    """
    schema, _ = read_schema(text)
    if not isinstance(schema, dict):
        return text
    return json.dumps(embedded(schema, retriever(open_url)), ensure_ascii=False)


def embedded(
    schema: dict[str, Json], retrieve: Retriever, draft: int | None = None
) -> dict[str, Json]:
    """`schema` with every document that `retrieve` gives for it among its definitions.

    A document is known there by the URI that it was fetched from, whatever it calls itself.
    """
    documents: dict[str, Any] = {}

    def remember(uri: str) -> Any:  # noqa: ANN401
        documents[urldefrag(uri).url] = document = retrieve(uri)
        return document

    Oracle(schema, draft=draft, retriever=remember)  # asks for all that it leads to
    if not documents:
        return schema
    number = draft or draft_of(schema)
    name = "id" if number == 4 else "$id"
    shelf = "$defs" if number >= 19 else "definitions"
    named = {uri: _named(document, name, uri) for uri, document in documents.items()}
    if number < 19 and "$ref" in schema:  # it would hide the definitions beside it
        kept = {key: each for key, each in schema.items() if key in ("$schema", "definitions")}
        schema = {**kept, "allOf": [{"$ref": schema["$ref"]}]}
    own = schema.get(shelf)
    return {**schema, shelf: {**named, **(own if isinstance(own, dict) else {})}}


def _named(document: Any, name: str, uri: str) -> Any:  # noqa: ANN401
    return {**document, name: uri} if isinstance(document, dict) else document


def _fetch(url: str, open_url: Opener) -> Any:  # noqa: ANN401
    _check(url)
    try:
        content = _read(url, open_url)
    except TimeoutError as error:
        raise ValueError(f"it took more than {MOST_SECONDS:g} seconds") from error
    except OSError as error:  # URLError, HTTPError and what TLS complains of
        raise ValueError(str(error)) from error
    try:
        return parse_strictly(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from error


def _read(url: str, open_url: Opener) -> bytes:
    deadline = time.monotonic() + MOST_SECONDS
    content = bytearray()
    with open_url(url, MOST_SECONDS) as stream:
        while chunk := stream.read(_CHUNK):
            content += chunk
            if len(content) > MOST_BYTES:
                raise ValueError(f"it is larger than {MOST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError
    return bytes(content)


def _check(url: str) -> None:
    if urlsplit(url).scheme != "https":
        raise ValueError(f"only https is fetched, not {url}")


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, seconds: float) -> IO[bytes]:
    request = urllib.request.Request(
        url, headers={"Accept": "application/schema+json, application/json", "User-Agent": "tether"}
    )
    stream: IO[bytes] = urllib.request.build_opener(_HttpsOnly).open(request, timeout=seconds)
    return stream
