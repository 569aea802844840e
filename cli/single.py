"""What `tether json` and `tether text` share: one prompt in, one checked payload out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tether.cli import options, streams, texts
from tether.errors import LimitReached, UsageError

if TYPE_CHECKING:
    from tether.cli.config.settings import Resolved
    from tether.cli.engine import Engine
    from tether.cli.session import Outcome, Task
    from tether.decoding.request import Delta, RowStats


SETTLED: ContextVar[Callable[[Resolved], None]] = ContextVar("settled", default=lambda _: None)
"""Is told the settings of a command before it reads or writes anything: a server's."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line gave besides settings."""

    prompt: str | None
    profiles: Sequence[str] | None
    variables: list[str] | None
    key: str


def generate(given: Given, flags: Mapping[str, Any], *, is_json: bool) -> None:
    """Run one prompt and write its payload.

    Raises:
        TetherError: Anything that keeps a valid payload from being printed.
    """
    from tether.cli.config.settings import resolve
    from tether.cli.render import Rendering

    resolved = resolve(flags, profiles=given.profiles or ())
    SETTLED.get()(resolved)
    names = ("format", "field", "raw", "pretty")
    rendering = Rendering(**{name: resolved[name] for name in names})
    rendering.check(is_json=is_json)
    _check_output(resolved)
    task = task_of(given, resolved, is_json=is_json)
    from tether.cli import engine
    from tether.cli.session import Session

    loaded = engine.load(resolved.settings)
    tell_overlooked(task, loaded)
    (outcome,) = Session(loaded).run([task], on_delta=_listener(resolved["stream"]))
    if resolved["stats"]:
        streams.say(stats_line(outcome, loaded.name))
        for line in _trace(outcome):
            streams.say(line)
    if outcome.thought and not resolved["stream"] and not resolved["envelope"]:
        streams.say(outcome.thought, style="2")
    _write(outcome, loaded, resolved, rendering.render)


def _write(
    outcome: Outcome, engine: Engine, resolved: Resolved, render: Callable[[str], str]
) -> None:
    """The payload, or as much of it as the settings allow; then the error, where there is one."""
    from tether.cli import envelope

    complete = outcome.error is None
    partial = isinstance(outcome.error, LimitReached) and resolved["partial"]
    if resolved["stream"] == "events":
        streams.write_line(envelope.end_event(outcome, engine))
    elif resolved["stream"] == "text":
        streams.write("" if not outcome.text or outcome.text.endswith("\n") else "\n")
    elif resolved["envelope"] and (complete or partial):
        streams.write_line(envelope.envelope(outcome, engine))
    elif complete:
        text = outcome.text
        streams.write_line(render(text) if outcome.task.said.is_json else text)
    elif partial:
        streams.write_line(outcome.text)
    outcome.payload()


def _check_output(resolved: Resolved) -> None:
    shaped = [k for k in ("field", "raw", "pretty", "envelope") if resolved[k]]
    shaped += ["format"] if resolved["format"] != "json" else []
    if resolved["stream"] and shaped:
        raise UsageError(
            f"--stream writes the text as it comes: --{shaped[0]} cannot hold.",
            hint="Leave one of them out.",
        )
    if resolved["stream"] and resolved["abstain"] != "off":
        raise UsageError(
            "--stream writes the text before --abstain can judge it.",
            hint="Leave one of them out.",
        )
    if resolved["envelope"] and len(shaped) > 1:
        raise UsageError(
            f"--envelope writes the whole object: --{next(k for k in shaped if k != 'envelope')} "
            "cannot hold.",
            hint="Leave one of them out.",
        )


def task_of(given: Given, resolved: Resolved, *, is_json: bool) -> Task:
    """The task of what the command line gave.

    Raises:
        TetherError: It is none.
    """
    from tether.cli import said
    from tether.cli.tasks import TaskMaker

    maker = TaskMaker(resolved)
    if is_json != maker.said.is_json:
        raise _wrong_command(resolved, is_json=is_json)
    said.warn(maker.said, resolved)
    fields = options.variables(given.variables)
    prompt, passages = _inputs(given, needed=not fields and not maker.passages)
    return maker.single(prompt, fields, passages, given.key)


def tell_overlooked(task: Task, loaded: Engine) -> None:
    """Say on stderr which settings of a task have no effect."""
    from tether.cli.overlooked import overlooked

    for sentence in overlooked(task, loaded):
        streams.say(f"tether: warning: {sentence}.", style="33")


def _wrong_command(resolved: Resolved, *, is_json: bool) -> UsageError:
    from tether.cli import said

    named = next((key for key in said.KEYS if resolved[key] is not None), None)
    if named is None:
        return UsageError(
            "`tether json` needs a schema.",
            hint='Give --schema or --type; `--schema "{}"` allows any JSON.',
        )
    return UsageError(
        f"`tether {'json' if is_json else 'text'}` cannot follow `{named}` "
        f"({resolved.origins[named].place}).",
        hint=f"Use `tether {'text' if is_json else 'json'}`.",
    )


def _inputs(given: Given, *, needed: bool) -> tuple[str, tuple[str, ...]]:
    """The prompt, and what is piped in beside it as a passage."""
    if given.prompt is None:
        prompt = texts.piped_stdin()
        if needed and not prompt.strip():
            raise UsageError(
                "There is no prompt.",
                hint="Give a text, @file or -, or pipe one in: tether json ... < mail.txt",
            )
        return prompt, ()
    if given.prompt == "-":
        return texts.read_stdin(), ()
    piped = texts.piped_stdin()
    return texts.read(given.prompt), (piped,) if piped.strip() else ()


def _listener(stream: str | None) -> Callable[[Delta], None] | None:
    """What to do with new text while a row is decoded; thoughts never reach stdout as text."""
    if stream is None:
        return None
    from tether.cli import envelope

    def listen(delta: Delta) -> None:
        if stream == "events":
            streams.write_line(envelope.delta_event(delta))
        elif delta.kind == "text":
            streams.write(delta.text)
        else:
            streams.say(delta.text, style="2", end="")

    return listen


def stats_line(outcome: Outcome, model: str) -> str:
    """Counts and times, as a line for people."""
    stats = outcome.stats
    rate = stats.output_tokens / stats.total_s if stats.total_s else 0.0
    return (
        f"model {model}: {stats.prompt_tokens} prompt tokens, {stats.output_tokens} output tokens "
        f"({stats.forced_tokens} forced, {stats.thought_tokens} thought), "
        f"{stats.forwards} forwards{_views(stats)}{_drafts(stats)}, "
        f"{stats.taken_back_tokens} tokens taken back, "
        f"first token {stats.first_token_s:.2f} s, total {stats.total_s:.2f} s, {rate:.0f} tokens/s"
    )


def _trace(outcome: Outcome) -> Iterator[str]:
    """How the passages were found, which of them had no room, and what the output rests on."""
    evidence = outcome.evidence
    for search in evidence.searches:
        met = "met" if search.met else "not met"
        yield f"search {search.aim.query!r} for {search.aim.goal!r}: {met} ({search.odds:.2f})"
    if evidence.left_out:
        yield f"passages of the index left out for want of room: {evidence.left_out}"
    if outcome.score is not None:
        yield f"the evidence carries the answer: {outcome.score:.2f}"
    best = max(outcome.support, key=outcome.support.__getitem__, default=None)
    if best is not None and best < len(evidence.passages):
        found, tokens = evidence.passages[best], outcome.support[best]
        place = f"{found.doc}:{found.start}-{found.end}" if found.doc else f"passage {best + 1}"
        yield f"rests on {place} ({tokens:.1f} of {outcome.stats.output_tokens} tokens)"


def _drafts(stats: RowStats) -> str:
    """What was drafted and came true; empty where nothing was."""
    if not stats.drafted_tokens:
        return ""
    return f", {stats.accepted_tokens} of {stats.drafted_tokens} drafted tokens accepted"


def _views(stats: RowStats) -> str:
    """What other models cost and decided; empty where none took part."""
    if not stats.view_forwards:
        return ""
    led = f", {stats.expert_tokens} tokens by the expert" if stats.expert_tokens else ""
    return f" and {stats.view_forwards} of other models{led}"
