"""The engine of a server: one model, and one loop for all who ask at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tether.cli.engine import LocalEngine, OnDelta
from tether.cli.serve import calls
from tether.cli.serve.scheduler import Inbox, Scheduler
from tether.cli.serve.stage import STAGE
from tether.decoding.request import Delta, Request, Result

if TYPE_CHECKING:
    from tether.decoding.models.base import Model
    from tether.decoding.prompt import Prompt
    from tether.decoding.terms.term import Role
    from tether.grounding.evidence import Source
    from tether.grounding.witness import Gaze

T = TypeVar("T")


class SharedEngine(LocalEngine):
    """A checkpoint whose rows share slots, whoever they are for.

    Args:
        model: The checkpoint.
        others: Those of the other roles.
        slots: Rows decoded at once.
    """

    def __init__(self, model: Model, others: Mapping[Role, Model], slots: int) -> None:
        from tether.decoding.loop import Loop

        super().__init__(model, others)
        self._scheduler = Scheduler(Loop(model, slots=slots, others=others).run)

    def close(self, seconds: float) -> bool:
        """See `Scheduler.close`."""
        return self._scheduler.close(seconds)

    def pieces(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each token."""
        return [self._model.vocabulary.tokens[token] for token in tokens]

    def sources(self, *asked: Any, **more: Any) -> tuple[Source, ...]:  # noqa: ANN401
        """See `Engine.sources`; the model may be asked for them, so no loop runs meanwhile."""
        bind = super().sources
        return self._alone(lambda: bind(*asked, **more)) if asked[0] else ()

    def gaze(self, ids: tuple[int, ...], prompt: Prompt) -> Gaze:
        """See `Engine.gaze`."""
        bind = super().gaze
        return self._alone(lambda: bind(ids, prompt))

    def run(
        self,
        requests: Iterable[Request],
        *,
        slots: int,
        ahead: int = 1,
        on_delta: OnDelta | None = None,
    ) -> Iterator[Result]:
        """See `Engine.run`; `slots` is how many of these requests are under way at once.

        They run as they come: others wait beside them.

        Raises:
            KeyboardInterrupt: The call was given up.
        """
        call, source, under_way = calls.current(), iter(requests), 0
        inbox: Inbox = SimpleQueue()
        with call.waking(lambda: inbox.put(KeyboardInterrupt())):
            while True:
                while under_way < slots and (request := next(source, None)) is not None:
                    call.check()
                    request = replace(request, cancel=call.cancel)
                    self._scheduler.decode(request, inbox, listens=on_delta is not None)
                    under_way += 1
                if not under_way:
                    return
                found = _next(inbox)
                if isinstance(found, Delta):
                    assert on_delta is not None, "deltas were asked for"
                    on_delta(found)
                else:
                    under_way -= 1
                    yield found

    def _alone(self, function: Callable[[], T]) -> T:
        call = calls.current()
        inbox: Inbox = SimpleQueue()
        with call.waking(lambda: inbox.put(KeyboardInterrupt())):
            call.check()
            self._scheduler.call(function, inbox)
            return cast("T", _next(inbox)[0])


def _next(inbox: Inbox) -> Any:  # noqa: ANN401
    """What comes next; whoever waits for it lets others have the process.

    Raises:
        BaseException: What came is one.
    """
    with STAGE.off():
        found = inbox.get()
    if isinstance(found, BaseException):
        raise found
    return found
