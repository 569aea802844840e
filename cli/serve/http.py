"""HTTP by uvicorn: its sockets, its limits, and its thread."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import Sequence

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tether.cli.serve.calls import Calls
from tether.cli.serve.engine import SharedEngine
from tether.cli.serve.openai.app import Api
from tether.cli.tasks import TaskMaker

_HEAD_S = 10.0
"""What the head of a request may take to come."""
_MOST_CONNECTIONS = 256
_MOST_HEAD_BYTES = 64 << 10
_LAST_S = 2.0


class Patient(H11Protocol):
    """uvicorn's protocol, which waits for the head of a request only so long.

    uvicorn itself waits for ever: whoever sends a byte now and then holds a connection.
    """

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._time()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        self._time()

    def on_response_complete(self) -> None:
        """A connection that is kept has uvicorn's own time until its next request begins."""
        super().on_response_complete()
        self._time(restart=True)

    def _time(self, *, restart: bool = False) -> None:
        """Count the time while no request is under way."""
        waits = self.cycle is None or self.cycle.response_complete
        if self._due is not None and (restart or not waits):
            self._due.cancel()
            self._due = None
        if waits and self._due is None and not self.transport.is_closing():
            self._due = self.loop.call_later(_HEAD_S, self._expire)

    def _expire(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class HttpServer:
    """Answers HTTP on some listening sockets.

    Args:
        shared: The model.
        maker: Makes tasks under the server's settings.
        running: Where its calls are counted.
        sockets: Closed with it.
        token: Needed by whoever comes by TCP.
    """

    def __init__(
        self,
        shared: SharedEngine,
        maker: TaskMaker,
        running: Calls,
        sockets: Sequence[socket.socket],
        token: str,
    ) -> None:
        self._sockets = list(sockets)
        # Bound to this process's own stderr, whoever is on the stage when something goes wrong.
        logging.getLogger("uvicorn").addHandler(logging.StreamHandler(sys.stderr))
        config = uvicorn.Config(
            Api(shared, maker, running).app(token),
            http=Patient, ws="none", loop="asyncio", lifespan="off",
            log_config=None, log_level="error", access_log=False,
            proxy_headers=False, server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Take no more; what runs goes on."""
        self._server.should_exit = True

    def join(self) -> None:
        """Wait until the last answers are out."""
        self._thread.join(_LAST_S)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=self._sockets))
