"""Rows of a file, named by where they lie in it: a few numbers, however long the rows are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple, TypeAlias

from tether.cli.batches import rows
from tether.cli.batches.work import Pending


class Run(NamedTuple):
    """Rows that follow one another in the file, all of them to run.

    Attributes:
        place: Of the first one among the rows of the batch.
        row: Of the first one among the rows of the file, its index.
        num: How many there are.
        start: Offset of their first byte.
        end: Offset of the byte after them.
    """

    place: int
    row: int
    num: int
    start: int
    end: int


Shard: TypeAlias = list[Run]
Read: TypeAlias = Callable[[int, int], bytes]
"""The bytes of the file from one offset up to another."""


def num_rows(shard: Shard) -> int:
    """How many rows a shard has."""
    return sum(run.num for run in shard)


def runs(pending: Iterable[Pending]) -> Iterator[Run]:
    """Each row as a run."""
    for place, line in pending:
        yield Run(place, line.index, 1, line.start, line.end)


def joined(shard: Shard, more: Shard) -> Shard:
    """Two shards, one after the other, as one."""
    last, first = shard[-1], more[0]
    # What lies between two rows that run is a row that is done: a gap in the index.
    if first.row == last.row + last.num:
        whole = last._replace(num=last.num + first.num, end=first.end)
        return [*shard[:-1], whole, *more[1:]]
    return [*shard, *more]


def cut(pending: Iterable[Pending], least: int, most: int) -> list[Shard]:
    """The rows in shards of at least so many, the last one aside; as few as 2 x `most` shards."""
    shards: list[Shard] = []
    for run in runs(pending):
        if shards and num_rows(shards[-1]) < least:
            shards[-1] = joined(shards[-1], [run])
        else:
            shards.append([run])
        if len(shards) > 2 * most:
            shards, least = fewer(shards, 2 * least), 2 * least
    return shards


def fewer(shards: Iterable[Shard], least: int) -> list[Shard]:
    """The shards, joined until they have at least so many rows."""
    found: list[Shard] = []
    for shard in shards:
        if found and num_rows(found[-1]) < least:
            found[-1] = joined(found[-1], shard)
        else:
            found.append(shard)
    return found


def read_shard(shard: Shard, read: Read) -> Iterator[Pending]:
    """The rows of a shard."""
    for run in shard:
        for line in rows.lines(BytesIO(read(run.start, run.end))):
            found = replace(
                line,
                index=run.row + line.index,
                start=run.start + line.start,
                end=run.start + line.end,
            )
            yield Pending(run.place + line.index, found)
