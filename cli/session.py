"""One model, many tasks: from settings and a prompt to a checked payload.

`tether json`, `text` and `batch` and the Python functions all run through `Session.run`. A task
that cannot start is an outcome like any other, so that one bad row never stops its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tether.cli import abstention
from tether.cli.config.settings_model import Settings
from tether.cli.engine import Engine, OnDelta
from tether.cli.evidence import NO_EVIDENCE, Evidence
from tether.cli.preparing import Prepared, Preparer
from tether.cli.retrieval import Retriever
from tether.cli.said import Said
from tether.decoding.prompt import Turn
from tether.decoding.request import Request, Result, RowStats
from tether.errors import Abstained, DeadEnd, InternalError, LimitReached, TetherError, UsageError
from tether.types import FinishReason

if TYPE_CHECKING:
    from tether.grammars.constraint import Constraint
    from tether.grammars.sparql.compile import Verdict
    from tether.grounding.evidence import Source
    from tether.grounding.links import Link

_NO_STATS = RowStats(0, 0, 0, 0, 0, 0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to generate.

    Attributes:
        key: Keys the noise, with the seed; need not be unique.
        text: The prompt, template filled in.
        passages: Evidence texts, already read.
        retriever: Finds more of them; None where no index is named.
        said: What may be said.
        system: Instructions, already read.
        turns: What was said before the prompt.
        watchers: Look on while it is decoded.
        origin: Whatever the caller wants back with the outcome.
        error: Why the task cannot be run, found out before it got here.
    """

    key: str
    text: str
    settings: Settings
    said: Said
    passages: tuple[str, ...] = ()
    retriever: Retriever | None = None
    system: str = ""
    turns: tuple[Turn, ...] = ()
    watchers: tuple[Source, ...] = ()
    origin: Any = None
    error: TetherError | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task; `text` is a valid payload exactly where `error` is None.

    Attributes:
        evidence: What the prompt held.
        support: Output tokens that rest on a passage, by its place in the prompt.
        score: How sure it is that the evidence carries the answer; None where nobody asked.
        verdict: What holds of a query; None for anything else.
        num_rows: Of a query that was run.
        tokens: Of the model's own text, the end token left out.
        linked: The names of the graph that the question mentions, surest first.
    """

    task: Task
    text: str
    thought: str
    finish: FinishReason
    stats: RowStats
    error: TetherError | None
    evidence: Evidence = NO_EVIDENCE
    support: Mapping[int, float] = field(default_factory=dict)
    score: float | None = None
    verdict: Verdict | None = None
    num_rows: int | None = None
    tokens: tuple[int, ...] = ()
    linked: tuple[Link, ...] = ()

    def payload(self) -> str:
        """The text.

        Raises:
            TetherError: The task failed.
        """
        if self.error is not None:
            raise self.error
        return self.text


class Ticket(str):
    """A request's key that knows its task: keys of rows may repeat, tickets do not."""

    __slots__ = ("error", "prepared", "task")
    task: Task
    error: TetherError | None
    prepared: Prepared | None

    @classmethod
    def of(cls, task: Task) -> Ticket:
        """A ticket for this task."""
        ticket = cls(task.key)
        ticket.task, ticket.error, ticket.prepared = task, task.error, None
        return ticket


@dataclass(frozen=True, slots=True)
class Session:
    """An engine at work."""

    engine: Engine

    def run(
        self,
        tasks: Iterable[Task],
        *,
        slots: int = 1,
        ahead: int = 1,
        on_delta: OnDelta | None = None,
    ) -> Iterator[Outcome]:
        """Outcomes as tasks end; tasks are pulled as slots come free, `ahead` at a time."""
        requests = map(self._request, tasks)
        for result in self.engine.run(requests, slots=slots, ahead=ahead, on_delta=on_delta):
            yield self._outcome(result)

    def _request(self, task: Task) -> Request:
        """The request of a task; one that cannot run has no prompt, which the loop hands back."""
        ticket = Ticket.of(task)
        if task.error is None:
            try:
                request, ticket.prepared = Preparer(self.engine).prepare(ticket, task)
                abstention.check_relevance(task, ticket.prepared.evidence.texts)
                return request
            except TetherError as error:
                ticket.error = error
        return Request(key=ticket, prompt=())

    def _outcome(self, result: Result) -> Outcome:
        ticket = result.key
        assert isinstance(ticket, Ticket), "the loop hands back the keys it was given"
        task, prepared = ticket.task, ticket.prepared
        evidence = prepared.evidence if prepared else NO_EVIDENCE
        if ticket.error is None:
            score, error = self._judged(ticket, result)
            found = Outcome(
                task, result.text, result.thought, result.finish, result.stats, error,
                evidence, result.support, score, tokens=result.tokens,
            )  # fmt: skip
            if prepared is not None:
                found = replace(found, linked=prepared.linked)
                found = _with_verdict(found, prepared.constraint)
        else:
            found = Outcome(task, "", "", "error", _NO_STATS, ticket.error, evidence)
        if not isinstance(found.error, Abstained):
            return found
        if abstention.allows_null(task, prepared.constraint if prepared else None):
            return replace(found, text="null", finish="abstained", error=None)
        return replace(found, finish="abstained")

    def _judged(self, ticket: Ticket, result: Result) -> tuple[float | None, TetherError | None]:
        """The score of an answer, where it is to have one, and what is wrong with it."""
        task, prepared = ticket.task, ticket.prepared
        error = failure(result, task.settings.max_tokens)
        if error is None and prepared is not None:
            error = refusal(prepared.constraint, result.text)
        if error is not None or prepared is None or prepared.surety is None:
            return None, error
        score = abstention.carried(task, prepared.evidence.texts, result, prepared.surety)
        return score, abstention.refusal(score, task.settings.abstain_below, result.text)


def _with_verdict(found: Outcome, constraint: Constraint | None) -> Outcome:
    """A finished query with what holds of it, and its prefixes declared."""
    if found.error is not None or not found.task.said.is_query or constraint is None:
        return found
    from tether.grammars.sparql.compile import Queries

    if not isinstance(constraint, Queries):
        return found
    verdict = constraint.verdict(found.text)
    error = verdict.shortfall if not found.task.settings.partial else None
    return replace(found, text=constraint.declared(found.text), verdict=verdict, error=error)


def refusal(constraint: Constraint | None, text: str) -> TetherError | None:
    """The last word before anything is printed: why a finished text is not valid after all."""
    complaint = None if constraint is None else constraint.validate(text)
    if complaint is None:
        return None
    # Some rules no mask holds token by token (keys that must differ): the judge sees them here.
    return DeadEnd(
        f"The finished text was refused: {complaint}",
        partial=text,
        hint="The output was withheld. Try another --seed or a temperature above 0.",
    )


def failure(result: Result, max_tokens: int) -> TetherError | None:
    """The error that a result stands for; None where the row ended well."""
    if result.finish == "stop":
        return None
    message = result.message or f"The row ended with {result.finish!r}."
    if result.finish == "limit":
        spent = result.stats.output_tokens >= max_tokens
        cure = "Raise --max-tokens" if spent else "Shorten the prompt, take another model"
        hint = f"{cure}, or use --partial." if result.text else ""
        return LimitReached(message, partial=result.text, hint=hint)
    if result.finish == "dead_end":
        return DeadEnd(message, partial=result.text)
    if result.finish == "usage":
        return UsageError(message)
    return InternalError(message)
