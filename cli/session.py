"""One model, many tasks: from settings and a prompt to a checked payload.

`tether json`, `text` and `batch` and the Python functions all run through `Session.run`. A task
that cannot start is an outcome like any other, so that one bad row never stops its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tether.cli.config.settings_model import Settings
from tether.cli.engine import Engine, OnDelta
from tether.cli.said import Said
from tether.decoding.prompt import Prompt, Turn
from tether.decoding.request import Request, Result, RowStats, Sampling
from tether.decoding.terms.parse import parse_all
from tether.decoding.terms.prompts import cast
from tether.errors import DeadEnd, InternalError, LimitReached, TetherError, UsageError
from tether.types import FinishReason

if TYPE_CHECKING:
    from tether.grammars.constraint import Constraint

THINK_END = "</think>"
_NO_STATS = RowStats(0, 0, 0, 0, 0, 0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to generate.

    Attributes:
        key: Keys the noise, with the seed; need not be unique.
        text: The prompt, template filled in.
        passages: Evidence texts, already read.
        said: What may be said.
        system: Instructions, already read.
        turns: What was said before the prompt.
        origin: Whatever the caller wants back with the outcome.
        error: Why the task cannot be run, found out before it got here.
    """

    key: str
    text: str
    settings: Settings
    said: Said
    passages: tuple[str, ...] = ()
    system: str = ""
    turns: tuple[Turn, ...] = ()
    origin: Any = None
    error: TetherError | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task; `text` is a valid payload exactly where `error` is None."""

    task: Task
    text: str
    thought: str
    finish: FinishReason
    stats: RowStats
    error: TetherError | None

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

    __slots__ = ("constraint", "error", "task")
    task: Task
    error: TetherError | None
    constraint: Constraint | None

    @classmethod
    def of(cls, task: Task) -> Ticket:
        """A ticket for this task."""
        ticket = cls(task.key)
        ticket.task, ticket.error, ticket.constraint = task, task.error, None
        return ticket


@dataclass(frozen=True, slots=True)
class Session:
    """An engine at work."""

    engine: Engine

    def run(
        self, tasks: Iterable[Task], *, slots: int = 1, on_delta: OnDelta | None = None
    ) -> Iterator[Outcome]:
        """Outcomes as tasks end; tasks are pulled as slots come free."""
        requests = map(self._request, tasks)
        for result in self.engine.run(requests, slots=slots, on_delta=on_delta):
            yield self._outcome(result)

    def _request(self, task: Task) -> Request:
        """The request of a task; one that cannot run has no prompt, which the loop hands back."""
        ticket = Ticket.of(task)
        if task.error is None:
            try:
                return self._prepared(ticket, task)
            except TetherError as error:
                ticket.error = error
        return Request(key=ticket, prompt=())

    def _prepared(self, ticket: Ticket, task: Task) -> Request:
        settings = task.settings
        if task.said.spec is not None:
            ticket.constraint = self.engine.compile(task.said.spec.over(task.passages))
        terms = parse_all(settings.contrast)
        main, others = cast(self._prompt(task), terms)
        ids = self.engine.encode(main)
        return Request(
            key=ticket,
            prompt=ids,
            constraint=ticket.constraint,
            sampling=sampling(settings, self.engine.num_tokens),
            max_tokens=settings.max_tokens,
            extract=settings.extract == "best",
            think=THINK_END if settings.think is True else settings.think or None,
            stop=tuple(settings.stop),
            terms=terms,
            prompts={variant: self.engine.encode(prompt) for variant, prompt in others.items()},
            sources=self.engine.sources(settings.ground, ids, main),
            heal=settings.raw_prompt and settings.heal,
        )

    def _prompt(self, task: Task) -> Prompt:
        return Prompt(
            text=task.text,
            passages=task.passages,
            fields=task.said.fields(short=self.engine.reads_fields),
            system=task.system,
            turns=task.turns,
            raw=task.settings.raw_prompt,
        )

    def _outcome(self, result: Result) -> Outcome:
        ticket = result.key
        assert isinstance(ticket, Ticket), "the loop hands back the keys it was given"
        task = ticket.task
        if ticket.error is not None:
            return Outcome(task, "", "", "error", _NO_STATS, ticket.error)
        error = failure(result, task.settings.max_tokens)
        if error is None:
            error = refusal(ticket.constraint, result.text)
        return Outcome(task, result.text, result.thought, result.finish, result.stats, error)


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


def sampling(settings: Settings, num_tokens: int) -> Sampling:
    """How tokens are chosen under these settings.

    Raises:
        UsageError: `logit_bias` names a token that the vocabulary does not have.
    """
    for token in settings.logit_bias:
        if token >= num_tokens:
            raise UsageError(
                f"logit_bias names token {token}; the vocabulary ends at {num_tokens - 1}."
            )
    return Sampling(
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
        typical_p=settings.typical_p,
        repetition_penalty=settings.repetition_penalty,
        logit_bias=settings.logit_bias,
        order=settings.sampling_order,
        seed=settings.seed,
    )
