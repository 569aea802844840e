"""One process's part of a batch: lines that wait go in, finished rows come out as they end.

Knows neither journal nor output; a batch runs one of these here, or several elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from tether.cli.batches import rows
from tether.cli.batches.journal import Record
from tether.cli.batches.records import record
from tether.cli.batches.rows import Line, Row
from tether.cli.overlooked import overlooked
from tether.cli.session import Outcome, Session, Task
from tether.cli.tasks import TaskMaker


class Pending(NamedTuple):
    """A line that is to run.

    Attributes:
        place: Its place among the rows that this batch runs, from 0.
        line: The line of input.
    """

    place: int
    line: Line

    def packed(self) -> list[Any]:
        """The line as JSON; bytes that are not UTF-8 come through."""
        data = self.line.data.decode("utf-8", "surrogateescape")
        return [self.place, self.line.index, data]

    @classmethod
    def unpacked(cls, value: list[Any]) -> Pending:
        """The line that was `packed`."""
        place, index, data = value
        return cls(place, Line(index, data.encode("utf-8", "surrogateescape")))


class Ended(NamedTuple):
    """A row that ended.

    Attributes:
        record: What the journal keeps of it.
        num_tokens: Output tokens.
        num_taken_back: Tokens that the oracle refused.
        num_left_out: Passages of the index for which there was no room.
        notes: (what about, sentence) of what people should hear once a batch.
    """

    record: Record
    num_tokens: int = 0
    num_taken_back: int = 0
    num_left_out: int = 0
    notes: tuple[tuple[str, str], ...] = ()

    def packed(self) -> list[Any]:
        """The row as JSON."""
        return [[*self.record], *self[1:]]

    @classmethod
    def unpacked(cls, value: list[Any]) -> Ended:
        """The row that was `packed`."""
        kept, num_tokens, num_taken_back, num_left_out, notes = value
        said = tuple((about, note) for about, note in notes)
        return cls(Record(*kept), num_tokens, num_taken_back, num_left_out, said)


class Runner(Protocol):
    """Runs the rows of a batch, here or elsewhere."""

    def run(self, pending: Iterable[Pending]) -> Iterator[Ended]:
        """Run every line, pulled as there is room; each comes out once, as it ends."""


@dataclass(frozen=True)
class Work:
    """Rows run in this process.

    Attributes:
        slots: Rows decoded at once.
        ahead: Lines that are pulled at a time, to be run in the order of their lengths.
        drafts: Whether rows may draft, which they do by the clock.
    """

    session: Session
    maker: TaskMaker
    slots: int
    ahead: int = 1
    drafts: bool = True
    _noted: set[str] = field(default_factory=set)

    def run(self, pending: Iterable[Pending]) -> Iterator[Ended]:
        """See Runner.run."""
        tasks = self._tasks(pending)
        for outcome in self.session.run(tasks, slots=self.slots, ahead=self.ahead):
            yield self._ended(outcome)

    def _tasks(self, pending: Iterable[Pending]) -> Iterator[Task]:
        # A function for one row would leave a cycle of its frame, the row and the row's error.
        for place, line in pending:
            row = rows.read(line, self.maker.template)
            task = self.maker.task(row, (place, row))
            yield task if self.drafts else _undrafted(task)

    def _ended(self, outcome: Outcome) -> Ended:
        place, row = outcome.task.origin
        stats = outcome.stats
        return Ended(
            record(place, row, outcome, self.session.engine.name),
            stats.output_tokens,
            stats.taken_back_tokens,
            outcome.evidence.left_out,
            tuple(self._notes(row, outcome.task)),
        )

    def _notes(self, row: Row, task: Task) -> Iterator[tuple[str, str]]:
        """What a row asks of a model and this one does not do, where it is the first to ask."""
        for about, note in _unheeded(row, task, self.session):
            if about not in self._noted:
                self._noted.add(about)
                yield about, note


def _undrafted(task: Task) -> Task:
    return replace(task, settings=task.settings.model_copy(update={"draft": "off"}))


def _unheeded(row: Row, task: Task, session: Session) -> Iterator[tuple[str, str]]:
    engine = session.engine
    if row.chat and row.chat.model not in (None, engine.name):
        asked = row.chat.model
        yield "model", f"Rows ask for the model {asked!r}; {engine.name} answers them."
    for sentence in overlooked(task, engine):
        yield sentence, f"Rows have settings without effect: {sentence}."
