"""The queue of a server, with a scripted loop in place of the model's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from tether.cli.serve.calls import Call, Calls
from tether.cli.serve.scheduler import Scheduler
from tether.decoding.request import Delta, Request, Result, RowStats

STATS = RowStats(0, 0, 0, 0, 0, 0, 0.0, 0.0)


class Script:
    """Decodes a request a step; `gate` lets steps happen, `seen` is what took part in each."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.seen: list[set[str]] = []
        self.num_loops = 0

    def run(
        self, requests: Iterable[Request], on_delta: Callable[[Delta], None]
    ) -> Iterator[Result]:
        source, rows = iter(requests), dict[str, Request]()
        self.num_loops += 1
        while True:
            while (request := next(source, None)) is not None:
                rows[str(request.key)] = request
            if not rows:
                return
            self.gate.acquire()
            self.seen.append(set(rows))
            if "bad" in rows:
                raise ValueError("the loop broke")
            row = rows.pop(sorted(rows)[0])
            on_delta(Delta(row.key, "text", "new"))
            yield Result(row.key, row.key.upper(), "", (), "stop", "", STATS)


@pytest.fixture
def script() -> Script:
    return Script()


def put(scheduler: Scheduler, key: str, *, listens: bool = False, **more: Any) -> SimpleQueue[Any]:
    inbox: SimpleQueue[Any] = SimpleQueue()
    scheduler.decode(Request(key, (1,), **more), inbox, listens=listens)
    return inbox


def test_requests_join_the_loop_that_runs(script: Script) -> None:
    scheduler = Scheduler(script.run)
    first, second = put(scheduler, "a"), put(scheduler, "b", listens=True)
    script.gate.release()
    assert first.get(timeout=5).text == "A"
    third = put(scheduler, "c")
    script.gate.release(2)
    assert second.get(timeout=5).text == "new"  # a delta: it listens
    assert second.get(timeout=5).text == "B"
    assert third.get(timeout=5).text == "C"
    assert script.num_loops == 1


def test_an_error_is_that_of_its_rows_and_the_next_loop_is_a_new_one(script: Script) -> None:
    scheduler = Scheduler(script.run)
    broken = put(scheduler, "bad")
    script.gate.release()
    assert isinstance(broken.get(timeout=5), ValueError)
    script.gate.release()
    assert put(scheduler, "c").get(timeout=5).text == "C"
    assert script.num_loops == 2


def test_other_work_waits_for_the_rows_and_newer_rows_for_it(script: Script) -> None:
    scheduler = Scheduler(script.run)
    running = put(scheduler, "a")
    told: SimpleQueue[Any] = SimpleQueue()
    scheduler.call(lambda: len(script.seen), told)
    later = put(scheduler, "b")
    script.gate.release()
    assert running.get(timeout=5).text == "A"
    assert told.get(timeout=5) == (1,)
    script.gate.release()
    assert later.get(timeout=5).text == "B"
    assert script.seen == [{"a"}, {"b"}]


def test_what_nobody_wants_is_not_begun(script: Script) -> None:
    scheduler = Scheduler(script.run)
    call = Call()
    call.give_up()
    put(scheduler, "gone", cancel=call.cancel)
    script.gate.release()
    assert put(scheduler, "a").get(timeout=5).text == "A"
    assert script.seen == [{"a"}]


def test_it_ends_once_nothing_is_left_to_do(script: Script) -> None:
    scheduler = Scheduler(script.run)
    last = put(scheduler, "a")
    assert not scheduler.close(0.1)
    script.gate.release()
    assert scheduler.close(5)
    assert last.get(timeout=5).text == "A"


def test_giving_up_wakes_whoever_waits() -> None:
    woken: list[int] = []
    calls = Calls()
    with calls.running(Call()) as call, call.waking(lambda: woken.append(1)):
        assert len(calls) == 1
        calls.give_up()
        assert woken == [1]
        with pytest.raises(KeyboardInterrupt):
            call.check()
    assert len(calls) == 0
