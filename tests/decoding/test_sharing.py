"""Equal beginnings are read once, long prompts in pieces, short ones together: the same text."""

from __future__ import annotations

import gc
import itertools
import random
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from checkpoints import save_checkpoint

from tether.decoding import admission, models
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.request import Delta, Request, Sampling
from tether.decoding.row import Row
from tether.decoding.sharing import LEAST, common
from tether.decoding.waiting import Waiting
from tether.grammars import regex

_ALONE: dict[tuple[int, str, tuple[int, ...]], tuple[int, ...]] = {}
HEAD = "you are a careful clerk who files every letter under its date and sender "


@pytest.fixture(scope="module", params=["float64", "float32"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp("llama")
    save_checkpoint(directory, "llama", max_position_embeddings=400)
    return models.load(str(directory), dtype=request.param)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """In float32, so that near-ties are settled by another network."""
    directory = tmp_path_factory.mktemp("single")
    save_checkpoint(directory, "llama", max_position_embeddings=400)
    return models.load(str(directory), dtype="float32")


@pytest.fixture
def read(single: Model, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """How many tokens each row had in each forward of the network."""
    seen: list[list[int]] = []
    forward = single.network.forward

    def counted(*args: Any, **kwargs: Any) -> torch.Tensor:
        seen.append(list(args[2].counts))
        return forward(*args, **kwargs)

    monkeypatch.setattr(single.network, "forward", counted)
    return seen


def ask(model: Model, key: str, text: str, **fields: Any) -> Request:
    return Request(key, tuple(model.vocabulary.encode(text)), **{"max_tokens": 12, **fields})


def shared_rows(model: Model, count: int = 10) -> list[Request]:
    """Two heads in turn, tails of many lengths, greedy and sampled, free and constrained."""
    rng = random.Random(3)
    letters = regex("[a-f]{3,20}", model.vocabulary)
    rows = []
    for index in range(count):
        tail = "".join(rng.choice("abcdef ghij") for _ in range(rng.randrange(1, 60)))
        sampling = Sampling(temperature=float(index % 3 != 0), seed=index)
        constraint = letters if index % 2 else None
        text = (HEAD if index % 4 < 2 else HEAD[::-1]) + tail
        rows.append(ask(model, str(index), text, sampling=sampling, constraint=constraint))
    return rows


def said(loop: Loop, rows: list[Request]) -> dict[str, tuple[int, ...]]:
    return {result.key: result.tokens for result in loop.run(rows)}


def alone(model: Model, rows: list[Request]) -> dict[str, tuple[int, ...]]:
    """Each row in a loop of its own: nothing is shared."""
    for row in rows:
        known = id(model), row.key, row.prompt
        if known not in _ALONE:
            _ALONE[known] = said(Loop(model, slots=1), [row])[row.key]
    return {row.key: _ALONE[id(model), row.key, row.prompt] for row in rows}


@pytest.mark.parametrize("slots", [1, 3, 16])
@pytest.mark.parametrize("ahead", [1, 7])
def test_text_does_not_depend_on_what_is_shared(model: Model, slots: int, ahead: int) -> None:
    rows = shared_rows(model)
    expected = alone(model, rows)
    loop = Loop(model, slots=slots, ahead=ahead)
    assert said(loop, rows) == expected
    assert said(loop, rows[5:]) == {row.key: expected[row.key] for row in rows[5:]}  # after a stop


def test_a_head_is_read_once(single: Model, read: list[list[int]]) -> None:
    rows = [ask(single, str(n), f"{HEAD}{n}{n}") for n in range(6)]
    head = common(rows[0].prompt, rows[1].prompt)
    assert head > 2 * LEAST
    said(Loop(single, slots=6), rows)
    prompts = sum(len(row.prompt) for row in rows)
    steps = sum(len(counts) for counts in read if set(counts) == {1})
    assert sum(map(sum, read)) - steps <= prompts - 5 * (head - 1)


def test_a_head_outlives_its_rows_and_its_run(single: Model, read: list[list[int]]) -> None:
    loop = Loop(single, slots=2)
    said(loop, [ask(single, "a", HEAD + "first")])
    others = [ask(single, str(n), f"{n} entirely different {n}") for n in range(1)]
    said(loop, others)
    read.clear()
    said(loop, [ask(single, "b", HEAD + "second")])
    assert read[0][0] < 12


def test_what_a_row_said_is_a_beginning_too(single: Model, read: list[list[int]]) -> None:
    """A conversation that goes on reads its new turn only."""
    loop = Loop(single, slots=2)
    first = ask(single, "a", HEAD)
    (answer,) = said(loop, [first]).values()
    read.clear()
    following = Request("b", (*first.prompt, *answer, *first.prompt[:9]), max_tokens=4)
    again = said(loop, [following])
    assert sum(read[0]) <= 10
    assert again == alone(single, [following])


def test_short_prompts_are_read_side_by_side(single: Model, read: list[list[int]]) -> None:
    rows = [ask(single, str(n), f"{n} {n * 7}") for n in range(8)]
    said(Loop(single, slots=8), rows)
    assert len(read[0]) == 8


def test_a_long_prompt_does_not_hold_rows_up(
    single: Model, read: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that run take a step between two pieces of it, and its text is the same."""
    monkeypatch.setitem(admission._MOST, "cpu", 24)
    running = [ask(single, f"r{n}", f"{n} letters", max_tokens=30 - n) for n in range(2)]
    short = ask(single, "short", "x", max_tokens=2)
    rng = random.Random(5)
    long = ask(single, "long", "".join(rng.choice("abcdefghij") for _ in range(180)))
    deltas: list[Delta] = []
    results = Loop(single, slots=3).run([*running, short, long], deltas.append)
    texts = {result.key: result.tokens for result in results}
    pieces = [n for n, counts in enumerate(read) if counts == [24]]
    assert len(pieces) >= 5
    between = [after - before for before, after in itertools.pairwise(pieces)]
    assert min(between) >= 2  # a step of the others lies between
    assert texts == alone(single, [*running, short, long])


def test_cancelled_while_its_prompt_is_read(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    monkeypatch.setitem(admission._MOST, "cpu", 24)
    stop = Event()
    rows = [
        ask(model, "short", "x", max_tokens=9),
        ask(model, "long", "ab" * 90, cancel=stop),
        ask(model, "after", "y", max_tokens=2),
    ]
    ended = []
    for result in Loop(model, slots=2).run(rows, lambda delta: stop.set()):
        ended.append((result.key, result.finish))
    assert dict(ended)["long"] == "cancelled"
    assert {key for key, _ in ended} == {"short", "long", "after"}


def test_rows_that_ended_are_let_go(single: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come: what is held is bounded by the slots."""
    alive: weakref.WeakSet[Row] = weakref.WeakSet()
    most = 0

    class Counted(Row):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            alive.add(self)

    def endless() -> Iterator[Request]:
        nonlocal most
        for n in range(61):
            if n % 20 == 19:
                gc.collect()
                most = max(most, len(alive))
            yield ask(single, str(n), f"{HEAD[: n % 40]}{n}", max_tokens=1 + n % 3)

    monkeypatch.setattr("tether.decoding.batch.Row", Counted)
    assert sum(1 for _ in Loop(single, slots=4, ahead=4).run(endless())) == 61
    assert 0 < most <= 10


class TestWaiting:
    def requests(self, lengths: list[int]) -> Iterator[Request]:
        return (Request(str(n), (1,) * length) for n, length in enumerate(lengths))

    def taken(self, lengths: list[int], ahead: int) -> list[Request]:
        waiting = Waiting(self.requests(lengths), ahead)
        return list(iter(waiting.take, None))

    def test_neighbours_are_alike(self) -> None:
        rng = random.Random(1)
        lengths = [rng.randrange(1, 500) for _ in range(200)]
        for ahead, most in ((1, 1 << 30), (32, 40)):
            got = [len(request.prompt) for request in self.taken(lengths, ahead)]
            assert sorted(got) == sorted(lengths)
            steps = [abs(a - b) for a, b in itertools.pairwise(got)]
            assert sum(steps) / len(steps) < most

    def test_order_without_a_window(self) -> None:
        assert [request.key for request in self.taken([5, 1, 9], 1)] == ["0", "1", "2"]

    def test_no_request_waits_longer_than_its_window(self) -> None:
        got = self.taken([900] + [1] * 50, 8)
        assert [request.key for request in got].index("0") < 8

    def test_a_source_that_goes_on(self) -> None:
        held: list[Request] = []

        class Source:
            def __iter__(self) -> Iterator[Request]:
                return self

            def __next__(self) -> Request:
                if not held:
                    raise StopIteration
                return held.pop()

        waiting = Waiting(Source(), 4)
        assert waiting.take() is None
        held.append(Request("late", (1,)))
        late = waiting.take()
        assert late is not None
        assert late.key == "late"


def test_common() -> None:
    rng = random.Random(2)
    for _ in range(200):
        one = tuple(rng.randrange(2) for _ in range(rng.randrange(9)))
        other = tuple(rng.randrange(2) for _ in range(rng.randrange(9)))
        pairs = zip(one, other, strict=False)
        first = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
        assert common(one, other) == first
