"""What `tether sparql` does: a question in, a checked query or its rows out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tether.cli import single, streams
from tether.cli.graphs import named
from tether.errors import LimitReached, UsageError

if TYPE_CHECKING:
    from tether.cli.config.settings import Resolved
    from tether.cli.engine import Engine
    from tether.cli.session import Outcome
    from tether.grounding.graph.answer import Answer, Output

_SHOWN = 6
"""Links that are named one by one."""


def ask(given: single.Given, flags: Mapping[str, Any], output: Output) -> None:
    """Run one question and write what became of it.

    Raises:
        TetherError: Anything that keeps a valid payload from being printed.
    """
    from tether.cli import engine
    from tether.cli.config.settings import resolve
    from tether.cli.session import Session

    resolved = resolve({**flags, "sparql": True}, profiles=given.profiles or ())
    single.SETTLED.get()(resolved)
    graph = named(resolved)
    if resolved["execute"] and graph is None:
        raise UsageError("--execute needs a graph.", hint="Give --graph FOLDER, or --endpoint URL.")
    task = single.task_of(given, resolved, is_json=False)
    loaded = engine.load(resolved.settings)
    single.tell_overlooked(task, loaded)
    try:
        (outcome,) = Session(loaded).run([task])
        answer = _rows(outcome, resolved)
    finally:
        if graph is not None:
            graph.close()
    if answer is not None and answer.yes is None:
        outcome = replace(outcome, num_rows=len(answer.rows))
    _tell(outcome, loaded, resolved)
    _write(outcome, loaded, resolved, answer, output)


def _rows(outcome: Outcome, resolved: Resolved) -> Answer | None:
    """The rows of a good query, where they were asked for."""
    graph = named(resolved)
    if graph is None or not resolved["execute"] or outcome.error is not None:
        return None
    from tether.grounding.graph.answer import Limits

    return graph.graph.rows(outcome.text, Limits())


def _tell(outcome: Outcome, engine: Engine, resolved: Resolved) -> None:
    """What people want to know beside the data."""
    if resolved["stats"]:
        streams.say(single.stats_line(outcome, engine.name))
    verdict = outcome.verdict
    if verdict is None:
        return
    if verdict.reason and not resolved["envelope"]:
        streams.say(f"tether: the guarantee is `{verdict.reached}`: {verdict.reason}.", style="33")
    if resolved["explain"]:
        for line in _explained(outcome):
            streams.say(line)


def _explained(outcome: Outcome) -> list[str]:
    verdict, stats = outcome.verdict, outcome.stats
    assert verdict is not None
    rows = "" if outcome.num_rows is None else f"; {outcome.num_rows} rows"
    return [
        f"guarantee: {verdict.reached} (asked for: {verdict.requested}){rows}",
        f"linked: {_links(outcome)}",
        f"query: {outcome.text.splitlines()[-1]}",
        f"tokens: {stats.output_tokens}, of which {stats.forced_tokens} had no alternative; "
        f"{stats.taken_back_tokens} were taken back because the graph or a check refused them",
    ]


def _links(outcome: Outcome) -> str:
    """The surest links with their scores."""
    shown = [f"{link.text} {link.score:.2f}" for link in outcome.linked[:_SHOWN]]
    more = len(outcome.linked) - len(shown)
    return "; ".join([*shown, *[f"{more} more"] * (more > 0)]) or "nothing"


def _write(
    outcome: Outcome, engine: Engine, resolved: Resolved, answer: Answer | None, output: Output
) -> None:
    """The payload, or as much of it as the settings allow; then the error, where there is one."""
    from tether.cli.envelope import envelope

    is_partial = isinstance(outcome.error, LimitReached) and resolved["partial"]
    if outcome.error is None or is_partial:
        if resolved["envelope"]:
            streams.write_line(envelope(outcome, engine))
        elif answer is not None:
            streams.write(answer.write(output))
        else:
            streams.write_line(outcome.text)
    outcome.payload()
