"""Clients that mean no good: the server refuses them, and goes on."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from serving import Server

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MESSAGES = [{"role": "user", "content": "hello"}]


@contextmanager
def connected(server: Server, name: str = "http.sock") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(server.run_dir / name))
        yield connection


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """The status and all that comes."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return int(data.split(b" ", 2)[1]), data


def flooded(connection: socket.socket, piece: bytes) -> bool:
    """Whether the server hangs up before it has taken two hundred pieces."""
    try:
        for _ in range(200):
            connection.sendall(piece)
    except OSError:
        return True
    return False


def posted(server: Server, body: bytes) -> tuple[int, bytes]:
    head = POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with connected(server) as connection:
        connection.sendall(head + body)
        return answer(connection)


@pytest.fixture(autouse=True)
def lives(server: Server) -> Iterator[None]:
    yield
    body = json.dumps({"messages": MESSAGES, "guided_choice": ["fine"]}).encode()
    status, data = posted(server, body)
    assert status == 200
    assert b'"fine"' in data


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"nothing",
        b'"x"',
        b"\xff\xfe",
        b'{"n": NaN}',
        b'{"n": 1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"messages": 3}',
        b'{"messages": [3]}',
        b'{"messages": [{"role": "user"}]}',
        b'{"messages": [{"role": "user", "content": null}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "seed": -1}',
        b'{"messages": [{"role": "user", "content": "x"}], "guided_choice": []}',
        b'{"messages": [{"role": "user", "content": "x"}], "guided_choice": [1]}',
        b'{"messages": [{"role": "user", "content": "x"}], "guided_choice": "x"}',
        b'{"messages": [{"role": "user", "content": "x"}], "stop": {"a": 1}}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}], "max_tokens": 0}',
        b'{"messages": [{"role": "user", "content": ""}], "max_tokens": 2, "model": 7}',
    ],
)
def test_bodies_that_are_none(server: Server, body: bytes) -> None:
    status, data = posted(server, body)
    assert status in (400, 404), data
    assert b'"error"' in data


def test_half_characters_and_nothing(server: Server) -> None:
    for content in ("\ud800", "", " ", "\0"):
        body = json.dumps({"messages": [{"role": "user", "content": content}], "max_tokens": 2})
        status, data = posted(server, body.encode())
        assert status in (200, 400), data


def test_a_schema_nested_too_deeply(server: Server) -> None:
    schema = '{"type":"array","items":' * 400 + "{}" + "}" * 400
    body = f'{{"messages": {json.dumps(MESSAGES)}, "guided_json": {schema}, "max_tokens": 20}}'
    status, data = posted(server, body.encode())
    assert status in (200, 400, 422), data[-500:]


def test_a_body_that_is_too_long(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(POST + b"Content-Length: 99999999999\r\n\r\n")
        assert flooded(connection, b" " * (1 << 20))


def test_a_body_in_many_pieces_that_is_too_long(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        assert flooded(connection, piece)


def test_a_head_that_is_too_long(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nX: " + b"a" * 200_000)
        assert answer(connection)[0] == 400


def test_no_http(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00" * 10 + b"\r\n\r\n")
        assert answer(connection)[0] == 400


def test_clients_that_dawdle_are_dropped(server: Server) -> None:
    """Heads that never end; they are dropped after ten seconds, all while others are served."""
    with connected(server) as silent, connected(server) as slow:
        began = time.monotonic()
        slow.sendall(b"GET /v1/models HT")
        silent.settimeout(20)
        assert silent.recv(1) == b""
        for letter in b"TP/1.1":
            try:
                slow.sendall(bytes([letter]))
            except OSError:
                break
            time.sleep(0.1)
        with suppress(ConnectionResetError):
            assert slow.recv(1) == b""
        assert 8 < time.monotonic() - began < 20


def test_a_client_that_leaves_ends_its_rows(server: Server) -> None:
    long = {"messages": MESSAGES, "guided_regex": "[a-z ]{3000}", "max_tokens": 1000}
    body = json.dumps({**long, "temperature": 1, "n": 16, "stream": True}).encode()
    for _ in range(3):
        with connected(server) as connection:
            connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            connection.recv(100)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"S",
        b"S" + b"\xff" * 8,
        b"S" + (3).to_bytes(8, "big") + b"{}x",
        b"S" + (2).to_bytes(8, "big") + b"{}",
        b"S" + (2).to_bytes(8, "big") + b"[]",
        b"S" + (15).to_bytes(8, "big") + b'{"streams": []}',
        b"S" + (13).to_bytes(8, "big") + b'{"streams": 1}',
    ],
)
def test_command_lines_that_are_none(server: Server, said: bytes) -> None:
    with connected(server, "commands.sock") as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            assert connection.recv(10) == b""
