"""`tether sparql`: one question to a query of a graph, or to its rows."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tether.cli import options
from tether.cli.kinds import SettingValue
from tether.cli.options import KeyOption, ProfileOption, PromptArgument, VarOption, takes

EXAMPLES = """
tether sparql "Who manages Heinrich Hoch?" --graph company.tether-graph
tether sparql "Which cities are in Austria?" -g company.tether-graph --execute -o table
tether sparql "Is Lena Vogel a manager?" -g company.tether-graph --envelope
tether sparql @question.txt -g company.tether-graph --guarantee adjacent --explain
"""

_OUTPUT = ("envelope", "partial", "stats")


@takes(options.QUERY, options.PROMPT, options.SAMPLING, _OUTPUT, options.MODEL, options.SERVER)
def run(
    prompt: PromptArgument = None,
    output: Annotated[
        Literal["json", "csv", "tsv", "table"],
        typer.Option(
            "--output", "-o", help="How rows are written, with --execute.", rich_help_panel="Query"
        ),
    ] = "json",
    profile: ProfileOption = None,
    var: VarOption = None,
    key: KeyOption = "",
    **flags: SettingValue,
) -> None:
    """Write a query of a graph, and run it.

    The query is SPARQL 1.1, reads only, calls no other machine, and declares its prefixes. Over a
    graph it names only what exists and returns rows; questions of yes or no and bare counts are
    not forced, since no and 0 are answers. --guarantee asks for less. Where a check takes too
    long, nothing is printed (exit code 5) but with --partial.
    """
    from tether.cli.querying import ask
    from tether.cli.single import Given

    ask(Given(prompt, profile, var, key), flags, output)
