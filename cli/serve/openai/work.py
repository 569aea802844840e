"""The work behind an answer: a session in a thread, heard by the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from tether.cli.engine import Engine
from tether.cli.serve import calls
from tether.cli.serve.calls import Call
from tether.cli.session import Outcome, Session, Task
from tether.cli.session import Ticket as Row
from tether.decoding.request import Delta

Event: TypeAlias = "tuple[int, Delta] | Outcome"
"""New text of the answer at a place, or the end of one."""
_Sink: TypeAlias = "Callable[[Event | BaseException | None], None]"
Make: TypeAlias = "Callable[[], Sequence[Task]]"


class GivenUp(Exception):
    """Nobody wants the answer any more, or the server ends."""


async def work(engine: Engine, make: Make, call: Call) -> AsyncGenerator[Event, None]:
    """Everything that happens to some tasks, as it happens.

    Args:
        engine: Decodes them.
        make: Makes them; in the thread, since schemas are read for that.
        call: Ends it before its time.

    Raises:
        TetherError: The tasks cannot be made.
        GivenUp: The call was.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()

    def tell(event: Event | BaseException | None) -> None:
        with suppress(RuntimeError):  # the event loop is gone
            loop.call_soon_threadsafe(events.put_nowait, event)

    threading.Thread(target=_run, args=(engine, make, call, tell), daemon=True).start()
    while (event := await events.get()) is not None:
        if isinstance(event, BaseException):
            raise event
        yield event


def _run(engine: Engine, make: Make, call: Call, tell: _Sink) -> None:
    def listen(delta: Delta) -> None:
        assert isinstance(delta.key, Row), "sessions key their rows by tickets"
        tell((delta.key.task.origin, delta))

    calls.CALL.set(call)
    try:
        tasks = make()
        for outcome in Session(engine).run(tasks, slots=len(tasks), on_delta=listen):
            tell(outcome)
        tell(None)
    except KeyboardInterrupt:
        tell(GivenUp())
    except BaseException as error:
        tell(error)
