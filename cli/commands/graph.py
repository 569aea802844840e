"""Build graphs from RDF files, look into them, and run reading queries.

A graph is a folder: a store, its facts as numbers, and the names by which queries speak of it. It
is replaced as a whole or not at all: an interrupted command leaves it as it was.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from tether.cli import streams
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.grounding.graph.answer import Answer, Limits
    from tether.grounding.index.layout import Manifest

Folder = Annotated[Path, typer.Argument(metavar="GRAPH", help="The folder of a graph.")]

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
_LIMITS = "Limits"
_COUNTS = ("quads", "triples", "terms", "predicates", "names", "aliases", "bytes")


def build(
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
    prefix: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=IRI", help="A prefix for names, besides those of the files."),
    ] = None,
    merge_graphs: Annotated[
        bool,
        typer.Option("--merge-graphs", help="Take named graphs as parts of the default graph."),
    ] = False,
    label_names: Annotated[
        str | None,
        typer.Option(
            metavar="LANG",
            help="Name things by their labels of this language ('': of none), not by their IRIs.",
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A tokenizer.json to cut names for; default: the shipped model's."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a graph, once the new one is whole.")
    ] = False,
) -> None:
    """Build a graph from files of RDF.

    Names are cut for one tokenizer now, for others when they are first used. Guarantees beyond
    names hold in the default graph; --merge-graphs puts everything there. Exit code 3 says that a
    file is broken, with its line, 1 that the disk is full.
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
        look = Graph.open(output).lookup(vocabulary.key, vocabulary.encode, progress=meter)
    named = "" if facts["quads"] == facts["triples"] else f" of {facts['quads']} quads"
    streams.say(f"{output}: {facts['triples']} triples{named}, {len(look.names)} names.")


def info(graph: Folder, as_json: AsJson = False) -> None:
    """Show what a graph holds, and how it was made."""
    from tether.grounding.graph.graph import Graph

    facts = _facts(Graph.open(graph).manifest)
    if as_json:
        streams.write_line(json.dumps(facts, ensure_ascii=False))
        return
    for part, values in facts["parts"].items():
        shown = ", ".join(f"{name} {values[name]}" for name in _COUNTS if name in values)
        streams.write_line(f"{part}: {shown}")


def query(
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
        float, typer.Option("--timeout", min=0.1, help="Seconds.", rich_help_panel=_LIMITS)
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


def labels(
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


def verify(graph: Folder) -> None:
    """Read all of a graph and compare it with its checksums and counts.

    Exit code 7 says that something is damaged; the message names the part and the cure.
    """
    from tether.cli.meter import Meter
    from tether.grounding.graph.verify import verify

    with Meter() as meter:
        manifest = verify(graph, meter)
    for name in sorted(manifest.parts):
        streams.write_line(f"{name}: ok")


COMMANDS = {"build": build, "info": info, "query": query, "labels": labels, "verify": verify}

EXAMPLES = {
    "build": """
tether graph build company.ttl -o company.tether-graph
tether graph build dump.nq.gz more.ttl -o kg --merge-graphs --prefix :=https://example.org/
""",
    "info": "tether graph info kg --json",
    "query": """
tether graph query kg 'SELECT ?x WHERE { ?x a :City . }' -o table
tether graph query --endpoint https://dbpedia.org/sparql < question.rq
""",
    "labels": "tether graph labels kg mar --lang en",
    "verify": "tether graph verify kg",
}


def _asked(graph: Path | None, text: str | None, endpoint: str | None, limits: Limits) -> Answer:
    if endpoint is not None:
        from tether.grounding.graph.remote import Endpoint

        if text is not None:
            raise UsageError("Name a graph or an endpoint, not both.")
        asked = _text(None if graph is None else str(graph))
        return Endpoint(endpoint, {urlsplit(endpoint).hostname or ""}).rows(asked, limits)
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


def _prefix(text: str) -> tuple[str, str]:
    name, equals, namespace = text.partition("=")
    if not equals:
        raise UsageError(f"--prefix {text} names no IRI.", hint="Write NAME=IRI.")
    return name.removesuffix(":"), namespace


def _facts(manifest: Manifest) -> dict[str, Any]:
    """What `info` says of a graph."""
    parts = {
        name: {**part.facts, "bytes": sum(file.bytes for file in part.files.values())}
        for name, part in sorted(manifest.parts.items())
    }
    return {"graph": str(manifest.path), "made_by": manifest.made_by, "parts": parts}
