"""`tether graph query`: reading queries of a graph or an endpoint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tether.cli import streams
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.grounding.graph.answer import Answer, Limits

EXAMPLES = """
tether graph query kg 'SELECT ?x WHERE { ?x a :City . }' -o table
tether graph query --endpoint https://dbpedia.org/sparql < question.rq
"""
_LIMITS = "Limits"
_DAY_S = 86_400.0


def run(
    graph: Annotated[
        Path | None,
        typer.Argument(metavar="GRAPH", help="The folder of a graph; left out with --endpoint."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Argument(metavar="QUERY", help="SPARQL; `-` or none: stdin.", show_default=False),
    ] = None,
    output: Annotated[
        Literal["json", "csv", "tsv", "table"],
        typer.Option("--output", "-o", help="How the answer is written."),
    ] = "json",
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask a SPARQL endpoint instead of a graph.")
    ] = None,
    seconds: Annotated[
        float,
        typer.Option("--timeout", min=0.1, max=_DAY_S, help="Seconds.", rich_help_panel=_LIMITS),
    ] = 10.0,
    rows: Annotated[
        int, typer.Option("--max-rows", min=1, help="Rows.", rich_help_panel=_LIMITS)
    ] = 10_000,
    cells: Annotated[
        int, typer.Option("--max-cells", min=1, help="Terms.", rich_help_panel=_LIMITS)
    ] = 100_000,
    mib: Annotated[
        int, typer.Option("--max-mib", min=1, help="MiB of terms.", rich_help_panel=_LIMITS)
    ] = 16,
) -> None:
    """Run a reading query: SELECT, ASK, CONSTRUCT or DESCRIBE.

    Prefixes of the graph need not be declared. An answer that costs more than a limit is not
    printed at all (exit code 5). Updates, SERVICE and texts of great length or depth are refused
    (3).
    """
    from tether.grounding.graph.answer import Limits

    limits = Limits(seconds, rows, cells, mib << 20)
    answer = _asked(graph, text, endpoint, limits)
    streams.write(answer.write(output))


def _asked(graph: Path | None, text: str | None, endpoint: str | None, limits: Limits) -> Answer:
    if endpoint is not None:
        from tether.grounding.graph.remote import Endpoint

        if text is not None:
            raise UsageError("A graph and an endpoint are named.", hint="Leave one out.")
        asked = _text(None if graph is None else str(graph))
        return Endpoint(endpoint).rows(asked, limits)
    if graph is None:
        raise UsageError("Nothing is asked.", hint="Name a graph, or --endpoint URL.")
    from tether.grammars.sparql.checks import check
    from tether.grounding.graph import guard
    from tether.grounding.graph.graph import Graph

    opened, asked = Graph.open(graph), _text(text)
    guard.check(asked)  # before any parser
    check(asked, opened.declared)
    try:
        return opened.rows(asked, limits)
    finally:
        opened.close()


def _text(given: str | None) -> str:
    """The query of an argument or of standard input."""
    if given not in (None, "-"):
        return given
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("There is no query.", hint="Give it as an argument or by a pipe.")
    from tether.cli.texts import decode

    return decode(sys.stdin.buffer.read(), "The query")
