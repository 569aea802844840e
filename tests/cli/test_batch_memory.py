"""Memory of a batch: as much for many rows as for few."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_engine import FakeEngine

from tether.cli import app
from tether.cli.batches.ordering import Reorder
from tether.cli.batches.retry import Retry

MakeRow = Callable[[int], dict[str, Any]]
FEW, MANY = 300, 1500
FILES = ("-o", "out.jsonl", "--errors", "errors.jsonl", "--overwrite")


def plain(number: int) -> dict[str, Any]:
    return {"prompt": f"the text of {number}", "id": f"r{number}"}


def own_schema(number: int) -> dict[str, Any]:
    said = json.dumps({"say": f'{{"k{number}":1}}'})
    return {"prompt": said, "schema": {"properties": {f"k{number}": {"type": "integer"}}}}


def wrong(number: int) -> dict[str, Any]:
    return {"prompt": "x", "shcema": number}


def slow_and_wrong(number: int) -> dict[str, Any]:
    """One slow row, and behind it those that fail before they run."""
    return wrong(number) if number else {"prompt": '{"say": "late", "steps": 9}'}


def chat(number: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"text {number}"}]
    return {"custom_id": f"c{number}", "body": {"messages": messages}}


def peak(make: MakeRow, num_rows: int, options: tuple[str, ...]) -> int:
    """The most bytes that Python held at once in a batch of so many rows."""
    Path("in.jsonl").write_text("".join(f"{json.dumps(make(n))}\n" for n in range(num_rows)))
    gc.collect()
    tracemalloc.start()
    try:
        app.run(["batch", "in.jsonl", *options])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "options", "most"),
    [
        (plain, FILES, 20),
        (plain, (), 20),
        (plain, (*FILES, "--unordered"), 20),
        (own_schema, FILES, 20),
        (chat, FILES, 20),
        (wrong, FILES, 20),
        (slow_and_wrong, FILES, 60),
        (slow_and_wrong, (), 60),
    ],
)
def test_memory_does_not_grow_with_the_rows(
    fake: FakeEngine,
    home: Path,
    capfd: pytest.CaptureFixture[str],
    make: MakeRow,
    options: tuple[str, ...],
    most: float,
) -> None:
    fake.keep = False
    fake.compiled = _Forgetful()
    peak(make, FEW, options)  # what is made once is made now
    few, many = peak(make, FEW, options), peak(make, MANY, options)
    assert (many - few) / (MANY - FEW) < most


class _Forgetful(list[Any]):
    """A list that stays empty."""

    def append(self, item: Any) -> None:
        """Forget it."""


def test_reorder_is_any_order_back() -> None:
    reorder: Reorder[str] = Reorder()
    said = [*reorder.put(2, "c"), *reorder.put(0, "a"), *reorder.put(4, "e")]
    said += [*reorder.put(3, "d"), *reorder.put(1, "b")]
    assert said == ["a", "b", "c", "d", "e"]
    assert reorder.is_due(5)


def test_errors_file_in_any_order(home: Path) -> None:
    lines = [{"index": 7, "id": "b"}, {"index": 2**40}, {"index": 3, "id": 3}, {"index": 7}]
    (home / "e.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    retry = Retry.read(home / "e.jsonl")
    assert len(retry) == 3
    assert [index in retry for index in (0, 3, 4, 7, 2**40, 2**41)] == [
        False, True, False, True, True, False,
    ]  # fmt: skip
    assert retry.names(3, 3)
    assert not retry.names(3, "3")
    assert retry.names(2**40, None)
    assert retry.names(7, "b")


@pytest.mark.parametrize("line", ["{", "[]", '{"index": -1}', '{"index": 1e3}', "[" * 9999, "1"])
def test_what_is_no_errors_file(
    fake: FakeEngine, home: Path, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    (home / "e.jsonl").write_text(f'{{"index": 0}}\n{line}\n')
    (home / "in.jsonl").write_text('{"prompt": "x"}\n')
    assert app.run(["batch", "in.jsonl", "--retry", "e.jsonl"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "e.jsonl:2 is not a line of an errors file." in err
    assert "--errors wrote" in err
