"""`tether graph build`: RDF files to a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tether.cli import streams
from tether.errors import UsageError

EXAMPLES = """
tether graph build company.ttl -o company.tether-graph
tether graph build dump.nq.gz more.ttl -o kg --merge-graphs --prefix :=https://example.org/
"""
PrefixOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=IRI", help="A prefix for names, besides those of the files."),
]
MergeOption = Annotated[
    bool, typer.Option("--merge-graphs", help="Take named graphs as parts of the default graph.")
]
LabelOption = Annotated[
    str | None,
    typer.Option(
        metavar="LANG",
        help="Name things by their labels of this language ('': of none), not by their IRIs.",
    ),
]
TokenizerOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A tokenizer.json to cut names for; default: the shipped model's."
    ),
]


def run(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA", help="Files: ttl, nt, nq, rdf, owl, xml, jsonld, trig; .gz."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="GRAPH", help="A new folder.")],
    base: Annotated[
        str | None, typer.Option(metavar="IRI", help="What relative IRIs belong to.")
    ] = None,
    prefix: PrefixOption = None,
    merge_graphs: MergeOption = False,
    label_names: LabelOption = None,
    tokenizer: TokenizerOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a graph, once the new one is whole.")
    ] = False,
) -> None:
    """Build a graph from files of RDF.

    Names are cut for one tokenizer now, for others when they are first used, which writes to the
    folder. Guarantees beyond names hold in the default graph; --merge-graphs puts everything there.
    Exit code 3 says that a file is broken, with its line, 1 that the disk is full.
    """
    from tether.cli.indexing import tokenizer_file
    from tether.cli.meter import Meter
    from tether.grammars.vocabulary import Vocabulary
    from tether.grounding.graph import build as building
    from tether.grounding.graph.graph import Graph
    from tether.grounding.graph.reading import Source

    vocabulary = Vocabulary.from_file(tokenizer_file(tokenizer))
    source = Source(paths, base, merge_graphs)
    prefixes = [_prefix(text) for text in prefix or ()]
    with Meter() as meter:
        facts = building.build(
            output,
            source,
            prefixes=prefixes,
            language=label_names,
            overwrite=overwrite,
            progress=meter,
        )
        graph = Graph.open(output)
        look = graph.lookup(vocabulary.key, vocabulary.encode, progress=meter)
        graph.mentions(progress=meter)
    named = "" if facts["quads"] == facts["triples"] else f" of {facts['quads']} quads"
    streams.say(f"{output}: {facts['triples']} triples{named}, {len(look.names)} names.")


def _prefix(text: str) -> tuple[str, str]:
    name, equals, namespace = text.partition("=")
    if not equals:
        raise UsageError(f"--prefix {text} names no IRI.", hint="Write NAME=IRI.")
    return name.removesuffix(":"), namespace
