"""The resident process: its model, its sockets, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Protocol, TypeAlias

from tether.cli import engine, graphs, streams
from tether.cli.serve import places
from tether.cli.serve.calls import Calls
from tether.cli.serve.commands import CommandServer, on_stage
from tether.cli.serve.engine import SharedEngine
from tether.cli.serve.listening import Address, alone, on_disk, token
from tether.cli.serve.models import models_key
from tether.cli.serve.stage import Scene
from tether.cli.tasks import TaskMaker
from tether.errors import UnavailableError

if TYPE_CHECKING:
    from types import FrameType

    from tether.cli.config.settings import Resolved

Signals: TypeAlias = "SimpleQueue[int]"

_GRACE_S = 30.0
"""What running calls have to end in, once the server is told to stop."""
_LAST_S = 3.0
"""What they have to end in, once they were given up."""


class Service(Protocol):
    """One way to ask the server."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """Take no more."""


def serve(resolved: Resolved, tcp: Address | None, *, http: bool) -> None:
    """Serve until SIGTERM or SIGINT; a second one cancels what still runs.

    Args:
        resolved: The settings: the model is everybody's, the rest is HTTP's.
        tcp: A loopback port for HTTP, beside its socket.
        http: Whether HTTP is spoken.

    Raises:
        UnavailableError: Another server runs, or a socket cannot be had.
        TetherError: The model or the settings cannot be used.
    """
    if not hasattr(socket, "send_fds"):
        raise UnavailableError("`tether serve` needs a system with Unix sockets.")
    calls = Calls()
    with ExitStack() as stack:
        stack.enter_context(alone())
        told = stack.enter_context(_signals())
        shared = stack.enter_context(_resident(resolved))
        services: list[Service] = [_commands(stack, resolved, calls)]
        if http:
            services.append(_http(stack, resolved, calls, shared, tcp))
        for service in services:
            service.start()
        streams.say(f"tether: serving {shared.name} at {places.runtime_dir()}")
        told.get()
        for service in services:
            service.close()
        _end(calls, told)


@contextmanager
def _signals() -> Iterator[Signals]:
    """The signals to stop, as they come."""
    told: Signals = SimpleQueue()

    def tell(number: int, frame: FrameType | None) -> None:
        told.put(number)  # the one thing that a signal handler may do with another thread's

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _resident(resolved: Resolved) -> Iterator[SharedEngine]:
    """The models of the settings, for everything that runs in this process, warm."""
    settings = resolved.settings
    others = engine.load_others(settings)
    shared = SharedEngine(engine.load_model(settings), others, settings.slots)
    engine.resident, graphs.kept_open = shared, True
    try:
        _warm_up()
        yield shared
    finally:
        engine.resident, graphs.kept_open = None, False
        shared.close(_LAST_S)


def _warm_up() -> None:
    """Run one command, so that the first client does not wait for imports."""
    with ExitStack() as stack:
        nothing: list[IO[str]] = [
            stack.enter_context(open(os.devnull, mode, encoding="utf-8")) for mode in "rww"
        ]
        scene = Scene(os.getcwd(), places.looks(), (nothing[0], nothing[1], nothing[2]))
        with suppress(OSError):
            on_stage(scene, ["json", "warm", "--schema", "ok bool", "--max-tokens", "16"])


def _commands(stack: ExitStack, resolved: Resolved, calls: Calls) -> CommandServer:
    listener = stack.enter_context(on_disk(places.command_socket()))
    return CommandServer(listener, calls, models_key(resolved.settings))


def _http(
    stack: ExitStack,
    resolved: Resolved,
    calls: Calls,
    shared: SharedEngine,
    tcp: Address | None,
) -> Service:
    try:
        from tether.cli.serve.http import HttpServer
    except ImportError as error:
        raise UnavailableError(
            f"HTTP needs {error.name}, which is not installed.",
            hint='Install it: pip install "tether[serve]"; or serve commands alone with --no-http.',
        ) from error
    sockets, secret = [stack.enter_context(on_disk(places.http_socket()))], ""
    if tcp is not None:
        sockets.append(stack.enter_context(tcp.listening()))
        host, port = sockets[-1].getsockname()[:2]
        secret = stack.enter_context(token())
        shown = f"[{host}]" if ":" in host else host
        streams.say(f"tether: http://{shown}:{port}/v1 with the token in {places.token_file()}")
    server = HttpServer(shared, TaskMaker(resolved), calls, sockets, secret)
    stack.callback(server.join)
    return server


def _end(calls: Calls, told: Signals) -> None:
    """Let what runs end, and give it up after the grace time or at one more signal."""
    if calls:
        streams.say(f"tether: {len(calls)} calls still run; a second signal cancels them.")
    _wait(calls, _GRACE_S, told)
    calls.give_up()
    _wait(calls, _LAST_S, SimpleQueue())


def _wait(calls: Calls, seconds: float, told: Signals) -> None:
    until = time.monotonic() + seconds
    while calls and time.monotonic() < until and told.empty():
        time.sleep(0.02)
