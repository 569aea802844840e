"""The socket of command lines: each runs in a thread of this process, on the client's own streams.

See `client.py` for the other end. A command that the server leaves to its client has neither read
nor written anything by then.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tether.cli import app, single
from tether.cli.serve import calls, places
from tether.cli.serve.calls import Call, Calls
from tether.cli.serve.client import DONE, ELSEWHERE, HEARD, identity
from tether.cli.serve.models import models_key
from tether.cli.serve.stage import STAGE, Scene, Wire, texts

if TYPE_CHECKING:
    from tether.cli.config.settings import Resolved

_MOST_BYTES = 64 << 20
_PATIENCE_S = 2.0
_MOST_AT_ONCE = 64
_PAUSE_S = 0.1


class Elsewhere(BaseException):
    """The client has to run the command itself."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a client hands over.

    Attributes:
        said: The message of `client.py`.
        descriptors: Copies of the client's open standard streams.
    """

    said: dict[str, Any]
    descriptors: list[int]

    @classmethod
    def receive(cls, connection: socket.socket) -> CommandLine:
        """Read one.

        Raises:
            OSError: It does not come, or not in time.
            ValueError: It is none.
        """
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
        try:
            size = int.from_bytes(_exactly(connection, 8), "big")
            if size > _MOST_BYTES:
                raise ValueError("too long")
            said = json.loads(_exactly(connection, size))
            if not isinstance(said, dict) or len(said["streams"]) != len(descriptors):
                raise ValueError("no command line")
        except BaseException:
            _close(descriptors)
            raise
        return cls(said, descriptors)

    @property
    def is_ours(self) -> bool:
        """Whether it would find the same program, files and devices here as where it comes from."""
        return bool(self.said["identity"] == identity() and self.said["world"] == places.world())


class CommandServer:
    """Takes command lines from a listening socket until it is closed.

    Args:
        listener: The socket.
        running: Where its calls are counted.
        models: What `models_key` gives for the models of this process.
    """

    def __init__(self, listener: socket.socket, running: Calls, models: Hashable) -> None:
        self._listener, self._calls, self._models = listener, running, models
        self._room = threading.Semaphore(_MOST_AT_ONCE)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._accept, name="commands", daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            self._room.acquire()
            try:
                connection, _ = self._listener.accept()
            except OSError:
                self._room.release()
                if self._listener.fileno() < 0:
                    return
                time.sleep(_PAUSE_S)  # no descriptors are left: some will be
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError, ValueError, KeyError, TypeError):
                connection.settimeout(_PATIENCE_S)
                line = CommandLine.receive(connection)
                with self._calls.running(Call()) as call:
                    self._answer(connection, line, call)
        finally:
            self._room.release()

    def _answer(self, connection: socket.socket, line: CommandLine, call: Call) -> None:
        """Run a command line and tell its client what became of it."""
        if not line.is_ours:
            _close(line.descriptors)
            connection.sendall(ELSEWHERE)
            return
        connection.sendall(HEARD)
        connection.settimeout(None)
        watch = threading.Thread(target=_watch, args=(connection, call), daemon=True)
        watch.start()
        try:
            answer = DONE + bytes([self._run(line, call, connection.fileno())])
        except (Elsewhere, OSError):
            answer = ELSEWHERE
        with suppress(OSError):
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_RDWR)  # ends the watch
        watch.join()

    def _run(self, line: CommandLine, call: Call, ended: int) -> int:
        """The exit code of a command line.

        Raises:
            Elsewhere: Its settings say so.
            OSError: Its folder cannot be entered.
        """
        calls.CALL.set(call)
        single.SETTLED.set(self._check)
        wires = {
            number: Wire(descriptor, "wb" if number else "rb", STAGE, ended)
            for number, descriptor in zip(line.said["streams"], line.descriptors, strict=True)
        }
        scene = Scene(line.said["folder"], line.said["variables"], texts(wires))
        try:
            return on_stage(scene, line.said["args"])
        finally:
            scene.close()

    def _check(self, resolved: Resolved) -> None:
        """Leave what names other models, or Python code of the user's own, to the client.

        Raises:
            Elsewhere: It does, or it wants no server.
        """
        wants = resolved["server"] == "auto" and resolved["type"] is None
        if not wants or models_key(resolved.settings) != self._models:
            raise Elsewhere


def on_stage(scene: Scene, args: Sequence[str]) -> int:
    """Run a command line in a scene; its exit code.

    Raises:
        OSError: The folder of the scene cannot be entered.
    """
    with STAGE.on(scene):
        return app.run(args)


def _watch(connection: socket.socket, call: Call) -> None:
    """Give the call up when its client hangs up: by Ctrl-C, or because it is gone."""
    with suppress(OSError):
        connection.recv(1)
    call.give_up()


def _exactly(connection: socket.socket, size: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < size:
        piece = connection.recv(min(size - len(pieces), 1 << 20))
        if not piece:
            raise ValueError("cut short")
        pieces += piece
    return bytes(pieces)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
