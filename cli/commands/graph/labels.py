"""`tether graph labels`: labels and what they are labels of."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tether.cli import streams
from tether.cli.commands.graph.options import AsJson, Folder

EXAMPLES = "tether graph labels kg mar --lang en"


def run(
    graph: Folder,
    prefix: Annotated[
        str, typer.Argument(metavar="PREFIX", help="How labels begin, whatever the case.")
    ] = "",
    lang: Annotated[
        str | None, typer.Option(metavar="LANG", help="Only labels of this language, such as en.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List labels (rdfs:label, skos:prefLabel) and what they are labels of.

    A line is a label and a name as queries write it, parted by a tab.
    """
    from tether.grounding.graph.graph import Graph

    for label, name in Graph.open(graph).labels(prefix, lang):
        if as_json:
            streams.write_line(json.dumps({"label": label, "name": name}, ensure_ascii=False))
        else:
            streams.write_line(f"{' '.join(label.split())}\t{name}")
