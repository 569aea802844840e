"""The routes: chat completions, completions and models, as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hmac import compare_digest
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tether.cli.serve.calls import Call, Calls
from tether.cli.serve.engine import SharedEngine
from tether.cli.serve.openai import wanted
from tether.cli.serve.openai.answers import Answers, problem
from tether.cli.serve.openai.wanted import Wanted
from tether.cli.serve.openai.work import Event, GivenUp, work
from tether.cli.session import Outcome
from tether.cli.tasks import TaskMaker
from tether.errors import (
    GenerationError,
    InternalError,
    RefusedError,
    TetherError,
    UnavailableError,
    UsageError,
)

_MOST_BYTES = 16 << 20
_BODY_S = 30.0
"""What a body may have, and take to come."""
_MOST_AT_ONCE = 64

_HALF = re.compile("[\ud800-\udfff]")

Read = Callable[[dict[str, Any]], Wanted]


class HttpError(TetherError):
    """A request that fails before anybody looks at what it asks for."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind  # type: ignore[misc]


@dataclass
class Api:
    """What the routes share.

    Attributes:
        engine: The model that answers.
        maker: Makes tasks under the server's settings.
        calls: Counts what runs.
    """

    engine: SharedEngine
    maker: TaskMaker
    calls: Calls

    def app(self, token: str) -> ASGIApp:
        """The application; whoever comes by TCP needs the token."""
        routes = [
            Route("/v1/models", self.models),
            Route("/v1/models/{model:path}", self.model),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/completions", self.text, methods=["POST"]),
        ]
        handlers = {HTTPException: _misplaced, TetherError: _refused, Exception: _failed}
        found = Starlette(routes=routes, exception_handlers=handlers)
        return Guard(found, token)

    async def models(self, request: Request) -> Response:
        """The one model there is."""
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def model(self, request: Request) -> Response:
        """The model, where it is asked for by its name."""
        self._check_model(request.path_params["model"])
        return JSONResponse(self._model())

    async def chat(self, request: Request) -> Response:
        """A chat completion."""
        return await self._complete(request, wanted.chat)

    async def text(self, request: Request) -> Response:
        """A completion."""
        return await self._complete(request, wanted.text)

    async def _complete(self, request: Request, read: Read) -> Response:
        body = await _body(request)
        asked = read(body)
        self._check_model(body.get("model"))
        if len(self.calls) >= _MOST_AT_ONCE:
            raise HttpError(429, "busy", f"{_MOST_AT_ONCE} requests run already; try again soon.")
        answers = Answers(asked, self.engine.name, self.engine.pieces)
        call = Call()
        events = self._events(asked, call)
        if asked.stream:
            async with _watched(request, call):
                first = await anext(events)
            if isinstance(first, Outcome):
                answers.last(first)  # what is refused at once is no stream
            return StreamingResponse(
                _stream(answers, first, events, request, call), media_type="text/event-stream"
            )
        async with _watched(request, call):
            outcomes = [event async for event in events if isinstance(event, Outcome)]
        outcomes.sort(key=lambda outcome: int(outcome.task.origin))
        return JSONResponse(answers.whole(outcomes))

    async def _events(self, asked: Wanted, call: Call) -> AsyncGenerator[Event, None]:
        with self.calls.running(call):
            try:
                async for event in work(self.engine, partial(asked.tasks, self.maker), call):
                    yield event
            except GivenUp:
                raise HttpError(503, "cancelled", "The server is stopping.") from None
            finally:
                call.give_up()

    def _model(self) -> dict[str, Any]:
        return {"id": self.engine.name, "object": "model", "created": 0, "owned_by": "tether"}

    def _check_model(self, name: object) -> None:
        if name is not None and name != self.engine.name:
            raise HttpError(
                404, "model_not_found", f"There is no model {name!r} here, only {self.engine.name}."
            )


class Guard:
    """Lets nobody through a port who has not the token; a socket on disk guards itself."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and not self._may_pass(scope):
            message = "Give the token of the server as the API key."
            error = problem(HttpError(401, "invalid_api_key", message), 401)
            await JSONResponse(error, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        on_disk = scope["server"] is not None and scope["server"][1] is None
        given: bytes = dict(scope["headers"]).get(b"authorization", b"")
        return on_disk or compare_digest(given, self._token)


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        HttpError: It is too long, or does not come.
        UsageError: It is none.
    """
    data = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for piece in request.stream():
                data += piece
                if len(data) > _MOST_BYTES:
                    raise HttpError(413, "too_large", f"The body is over {_MOST_BYTES} bytes.")
    except TimeoutError:
        raise HttpError(408, "timeout", f"The body did not come in {_BODY_S:g} s.") from None
    try:
        value = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UsageError("The body is not a JSON object.")
    if b"\\u" in data and _HALF.search(json.dumps(value, ensure_ascii=False)):
        raise UsageError("The body holds half a character (an unpaired surrogate).")
    return value


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


@asynccontextmanager
async def _watched(request: Request, call: Call) -> AsyncIterator[None]:
    """Give the call up when its client goes away."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        call.give_up()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


async def _stream(
    answers: Answers,
    first: Event,
    events: AsyncGenerator[Event, None],
    request: Request,
    call: Call,
) -> AsyncIterator[bytes]:
    """Server-sent events: the pieces of every choice, their ends, the counts, and `[DONE]`."""
    outcomes: list[Outcome] = []
    try:
        async with aclosing(events), _watched(request, call):
            for chunk in answers.opening():
                yield _sent(chunk)
            async for event in _chained(first, events):
                if isinstance(event, Outcome):
                    outcomes.append(event)
                    yield _sent(answers.last(event))
                elif (piece := answers.piece(*event)) is not None:
                    yield _sent(piece)
        if answers.wanted.usage:
            yield _sent(answers.counts(outcomes))
        yield b"data: [DONE]\n\n"
    except TetherError as error:
        yield _sent(problem(error, _status(error)))


async def _chained(first: Event, rest: AsyncIterator[Event]) -> AsyncIterator[Event]:
    yield first
    async for event in rest:
        yield event


def _sent(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


def _status(error: TetherError) -> int:
    if isinstance(error, HttpError):
        return error.status
    if isinstance(error, GenerationError):
        return 422
    if isinstance(error, UsageError | RefusedError):
        return 400
    return 503 if isinstance(error, UnavailableError) else 500


_CLOSE, _LATER = {"Connection": "close"}, {"Retry-After": "1"}
_HEADERS = {408: _CLOSE, 413: _CLOSE, 429: _LATER, 503: _LATER}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, TetherError), "it is registered for these"
    status = _status(error)
    return JSONResponse(problem(error, status), status, _HEADERS.get(status))


async def _misplaced(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "it is registered for these"
    said = HttpError(error.status_code, "not_found", f"{request.method} {request.url.path}: none.")
    return JSONResponse(problem(said, error.status_code), error.status_code, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    said = InternalError(f"Internal error: {type(error).__name__}; the server says more.")
    return JSONResponse(problem(said, 500), 500)
