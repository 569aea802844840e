"""The client: hands a command line, and the streams it stands on, to the server that runs it.

The server writes to this process's own stdout and stderr, through descriptors that go with the
command line, so a terminal, a pipe and a full disk are what they always are. Where there is no
server, or none for this command line, nothing has happened: the command runs here.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tether import __version__
from tether.cli.serve import places

if TYPE_CHECKING:
    from socket import socket

COMMANDS = ("json", "text", "sparql")
HEARD, ELSEWHERE, DONE = b"H", b"L", b"X"
"""What a server answers: it has the command line; it leaves it to the client; its exit code."""

_PATIENCE_S = 2.0
"""What a server that is alive needs to answer at all, and to stop when it is interrupted."""


def identity() -> list[str]:
    """What a server and its client must have in common beside the variables of `places.world`."""
    return [__version__, os.path.dirname(os.path.realpath(__file__)), sys.prefix]


def served(args: list[str]) -> int | None:
    """Run a command line in the server; its exit code, or None where it has to run here."""
    path = places.command_socket()
    if not _wants(args) or not os.path.exists(path) or not places.is_private(os.path.dirname(path)):
        return None
    try:
        connection = _handed_over(path, args)
    except (OSError, AttributeError, ValueError):  # no server, a stale socket, no such sockets
        return None
    if connection is None:
        return None
    with connection:
        return _followed(connection)


def _wants(args: list[str]) -> bool:
    """Whether a server may be asked; `never` in a file is for the server to see."""
    if not args or args[0] not in COMMANDS or "--help" in args or "--server=never" in args:
        return False
    if os.environ.get("TETHER_SERVER", "auto") == "never" or os.environ.get("TETHER_DEBUG"):
        return False
    return all(pair != ("--server", "never") for pair in zip(args, args[1:], strict=False))  # noqa: RUF007


def _handed_over(path: str, args: list[str]) -> socket | None:
    """A connection to a server that has the command line; None where it does not want it."""
    import socket

    message = _message(args)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_PATIENCE_S)
        connection.connect(path)
        socket.send_fds(connection, [b"S"], _open_streams())
        connection.sendall(len(message).to_bytes(8, "big") + message)
        heard = connection.recv(1) == HEARD
    except BaseException:
        connection.close()
        raise
    connection.settimeout(None)
    if not heard:
        connection.close()
    return connection if heard else None


def _message(args: list[str]) -> bytes:
    import json

    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    message = {
        "identity": identity(),
        "world": places.world(),
        "variables": places.looks(),
        "folder": os.getcwd(),
        "streams": _open_streams(),
        "args": args,
    }
    return json.dumps(message).encode()


def _open_streams() -> list[int]:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return [n for n, stream in enumerate(streams) if stream is not None and not stream.closed]


def _followed(connection: socket) -> int | None:
    """Wait for the end; Ctrl-C goes to the server, and a second one ends the waiting."""
    try:
        answer = _answer(connection)
    except KeyboardInterrupt:
        try:
            connection.shutdown(1)  # SHUT_WR: whoever hangs up wants nothing more
            connection.settimeout(_PATIENCE_S)
            answer = _answer(connection)
        except (KeyboardInterrupt, OSError):
            return 130
    if answer == ELSEWHERE:
        return None
    if len(answer) == 2:
        return answer[1]
    sys.stderr.write("tether: The server ended before the command did.\nRun it again.\n")
    return 7


def _answer(connection: socket) -> bytes:
    """ELSEWHERE, or DONE and a code; too little where the server is gone."""
    answer = b""
    try:
        while len(answer) < 2 and answer != ELSEWHERE and (piece := connection.recv(2)):
            answer += piece
    except ConnectionError:
        return b""
    return answer
