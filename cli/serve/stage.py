"""What a process has only one of, lent to one command at a time.

A command that a server runs finds its client's working directory, variables and standard streams
where it would find its own. It steps off the stage while it waits: for the model, for input, for
whoever reads its output. So commands decode side by side, and none sees the other's.
"""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from tether.cli.serve.places import looks


@dataclass(slots=True)
class Scene:
    """What a command finds around it.

    Attributes:
        folder: The working directory.
        variables: All that `places.looks` would find.
        streams: stdin, stdout and stderr; None where one is closed.
    """

    folder: str
    variables: Mapping[str, str]
    streams: tuple[IO[str] | None, IO[str] | None, IO[str] | None]

    @classmethod
    def own(cls) -> Scene:
        """The process's own."""
        return cls(os.getcwd(), looks(), (sys.stdin, sys.stdout, sys.stderr))

    def put(self) -> None:
        """Make it what the process has.

        Raises:
            OSError: The folder is not there, or not to be entered.
        """
        for name in looks().keys() - self.variables.keys():
            del os.environ[name]
        for name, value in self.variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        sys.stdin, sys.stdout, sys.stderr = self.streams
        os.chdir(self.folder)

    def close(self) -> None:
        """Close the streams; what they still held is lost where nobody takes it."""
        for stream in self.streams:
            if stream is not None:
                with suppress(OSError, ValueError):
                    stream.close()


class Stage:
    """The process, as a thing that one command at a time may have."""

    def __init__(self) -> None:
        self._own = Scene.own()
        self._lock = threading.Lock()
        self._mine = threading.local()

    @contextmanager
    def on(self, scene: Scene) -> Iterator[None]:
        """Have the process to oneself, with this scene.

        Raises:
            OSError: The folder of the scene cannot be entered.
        """
        self._enter(scene)
        self._mine.scene = scene
        try:
            yield
        finally:
            self._mine.scene = None
            self._leave()

    @contextmanager
    def off(self) -> Iterator[None]:
        """Let others have the process; nothing happens in a thread that does not have it."""
        scene: Scene | None = getattr(self._mine, "scene", None)
        if scene is None:
            yield
            return
        self._mine.scene = None
        self._leave()
        try:
            yield
        finally:
            self._lock.acquire()
            with suppress(OSError):  # a folder that went meanwhile is missed by whoever needs it
                scene.put()
            self._mine.scene = scene

    def _enter(self, scene: Scene) -> None:
        self._lock.acquire()
        try:
            scene.put()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        with suppress(OSError):  # the server's own folder may go, and is no one's need
            self._own.put()
        self._lock.release()


class Wire(io.FileIO):
    """A descriptor of a client: whoever waits for it is off the stage.

    Args:
        descriptor: Is closed with it.
        mode: "rb" or "wb".
        stage: Where the command is that uses it.
        ended: The descriptor that can be read once the client has hung up.
    """

    def __init__(self, descriptor: int, mode: str, stage: Stage, ended: int) -> None:
        super().__init__(descriptor, mode)
        self._stage, self._ended = stage, ended

    def readall(self) -> bytes:
        """All up to the end."""
        pieces = []
        with self._stage.off():
            self._wait(select.POLLIN)
            while piece := os.read(self.fileno(), 1 << 16):
                pieces.append(piece)
                self._wait(select.POLLIN)
        return b"".join(pieces)

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        """As many bytes as there are."""
        with self._stage.off():
            self._wait(select.POLLIN)
            piece = os.read(self.fileno(), len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def write(self, data: Any) -> int:  # noqa: ANN401
        """As many bytes as there is room for."""
        with self._stage.off():
            self._wait(select.POLLOUT)
            return os.write(self.fileno(), data)

    def _wait(self, event: int) -> None:
        """Wait until the descriptor is ready.

        Raises:
            KeyboardInterrupt: The client has hung up meanwhile.
        """
        poll = select.poll()
        poll.register(self.fileno(), event)
        poll.register(self._ended, select.POLLIN)
        ready = dict(poll.poll())
        if self._ended in ready and self.fileno() not in ready:
            raise KeyboardInterrupt


def texts(wires: Mapping[int, Wire]) -> tuple[IO[str] | None, IO[str] | None, IO[str] | None]:
    """Standard streams over a client's descriptors by their numbers; None for the others."""
    stdin, stdout, stderr = (wires.get(number) for number in range(3))
    return (
        None if stdin is None else io.TextIOWrapper(io.BufferedReader(stdin), "utf-8"),
        None if stdout is None else io.TextIOWrapper(io.BufferedWriter(stdout), "utf-8"),
        None
        if stderr is None
        else io.TextIOWrapper(io.BufferedWriter(stderr), "utf-8", "backslashreplace"),
    )


STAGE = Stage()
"""The process's."""
