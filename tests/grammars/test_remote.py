"""Remote references: what is fetched, and what is refused."""

from __future__ import annotations

import http.server
import io
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tether.errors import SchemaError
from tether.grammars.json_schema import remote
from tether.grammars.json_schema.oracle import Oracle

DOCUMENTS = {
    "/a.json": b'\xef\xbb\xbf{"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "b.json"}}',
    "/b.json": b'{"maximum": 3}',
    "/text": b"hello",
    "/twice": b'{"type": "string", "type": "object"}',
    "/large": b" " * (remote.MOST_BYTES + 1),
}


class Site:
    """Answers from `DOCUMENTS` and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def open(self, url: str, seconds: float) -> IO[bytes]:
        assert 0 < seconds <= 5
        self.asked.append(url)
        path = url.removeprefix("https://a.example")
        if path not in DOCUMENTS:
            raise OSError("HTTP Error 404: Not Found")
        return io.BytesIO(DOCUMENTS[path])


def test_documents_are_fetched_once_and_lead_to_others() -> None:
    site = Site()
    schema: Any = {
        "anyOf": [{"$ref": "https://a.example/a.json"}],
        "minItems": 1,
        "contains": {"$ref": "https://a.example/a.json#/$defs/n"},
    }
    oracle = Oracle(schema, retriever=remote.retriever(site.open))
    assert sorted(site.asked) == ["https://a.example/a.json", "https://a.example/b.json"]
    assert oracle.complaint("[1, 3]") is None
    assert oracle.complaint("[1, 4]")
    assert oracle.complaint('["x"]')


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://a.example/a.json", "only https"),
        ("file:///etc/hostname", "only https"),
        ("https://a.example/none", "404"),
        ("https://a.example/text", "not JSON"),
        ("https://a.example/twice", "not JSON"),
        ("https://a.example/large", "larger than 1048576 bytes"),
    ],
)
def test_what_is_refused(uri: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said) as caught:
        Oracle({"items": {"$ref": uri}}, retriever=remote.retriever(Site().open))
    assert caught.value.pointer == "/items"
    assert uri in caught.value.message


def test_slow_documents_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_SECONDS", 0.0)
    with pytest.raises(ValueError, match="took more than"):
        remote.retriever(lambda url, seconds: io.BytesIO(b"{}"))("https://a.example/a")


def test_a_chain_without_end_is_cut() -> None:
    def endless(url: str, seconds: float) -> IO[bytes]:
        number = int(url.rpartition("/")[2])
        return io.BytesIO(b'{"$ref": "https://a.example/%d"}' % (number + 1))

    with pytest.raises(SchemaError, match="more than 64 documents"):
        Oracle({"$ref": "https://a.example/0"}, retriever=remote.retriever(endless))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An https server on this machine whose certificate nobody trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run(
            [*command, "-keyout", key, "-out", certificate], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer(("localhost", 0), _Handler) as site:
        site.socket = context.wrap_socket(site.socket, server_side=True)
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield f"https://localhost:{site.server_port}"
        site.shutdown()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://localhost/b.json")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(DOCUMENTS["/b.json"])

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_over_https(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema: Any = {"$ref": f"{server}/b.json"}
    with pytest.raises(SchemaError, match="certificate"):
        Oracle(schema, retriever=remote.retriever())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    assert Oracle(schema, retriever=remote.retriever()).complaint("4")
    with pytest.raises(SchemaError, match="only https"):
        Oracle({"$ref": f"{server}/away"}, retriever=remote.retriever())


def test_a_bundled_schema_needs_no_network_and_keeps_its_order() -> None:
    properties = {"z": {"$ref": "https://a.example/b.json"}, "a": {"$ref": "#/$defs/own"}}
    schema: Any = {"properties": properties, "$defs": {"own": {"const": 1}}}
    text = remote.bundled(json.dumps(schema), Site().open)
    assert list(json.loads(text)["properties"]) == ["z", "a"]
    oracle = Oracle(json.loads(text))
    assert oracle.complaint('{"z": 3, "a": 1}') is None
    assert oracle.complaint('{"z": 4}')
    assert oracle.complaint('{"a": 2}')
    with pytest.raises(SchemaError, match=r"nothing\.json"):
        remote.bundled('{"$ref": "https://a.example/nothing.json"}', Site().open)


def test_a_fragment_of_a_document_is_found_after_bundling() -> None:
    schema: Any = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/x",
        "maxItems": 0,
        "definitions": {"x": {"items": {"$ref": "https://a.example/a.json#/$defs/n"}}},
    }
    oracle = Oracle(json.loads(remote.bundled(json.dumps(schema), Site().open)))
    assert oracle.complaint("[1]") is None
    assert oracle.complaint('["x"]')
    assert remote.bundled("true") == "true"
