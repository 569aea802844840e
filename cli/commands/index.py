"""Build, change and search indexes of your own files.

An index is a folder of passages and of what finds them: words (BM25), and vectors where an embedder
is named. It is replaced as a whole or not at all: an interrupted command leaves it as it was.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tether.cli import streams
from tether.cli.commands.knobs import train_knob
from tether.cli.commands.stores import StoreOption, store, store_makers, stores_of, train_memory
from tether.cli.kinds import SettingValue
from tether.cli.options import takes
from tether.errors import InternalError, UsageError

if TYPE_CHECKING:
    from tether.cli.config.settings_model import Settings
    from tether.cli.indexing import BadDocuments, Meter
    from tether.grounding.corpus import Corpus
    from tether.grounding.index.build import Change
    from tether.grounding.index.embed import Embedder
    from tether.grounding.index.layout import Manifest
    from tether.grounding.index.search import Hit

_MODEL = ("model", "device", "dtype")

Folder = Annotated[Path, typer.Argument(metavar="INDEX", help="The folder of an index.")]
Sources = Annotated[
    list[Path],
    typer.Argument(metavar="PATH", help="Files and folders: txt, md, html, jsonl, csv, tsv, pdf."),
]
EmbedderOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|hidden",
        help="A sentence-transformers folder, or `hidden[:LAYER]`: the states of --model.",
        rich_help_panel="Vectors",
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out documents that cannot be read, and say so.")
]
LargestOption = Annotated[
    int, typer.Option("--max-document", metavar="MIB", min=1, help="Bytes of a document, at most.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@takes(_MODEL)
def build(
    paths: Sources,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="INDEX", help="A new folder.")],
    chunk: Annotated[int, typer.Option(min=1, help="Tokens in a passage, at most.")] = 256,
    overlap: Annotated[
        int, typer.Option(min=0, help="Tokens that neighbouring passages share.")
    ] = 32,
    tokenizer: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A tokenizer.json; default: the shipped model's."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an index, once the new one is whole.")
    ] = False,
    skip_bad: SkipBad = False,
    max_document: LargestOption = 64,
    embedder: EmbedderOption = None,
    store: StoreOption = None,
    **flags: SettingValue,
) -> None:
    """Build an index of files and folders.

    A file is a document; a row of jsonl, csv or tsv is one too (`text` or `contents`, `title`,
    `id`). Documents are cut into passages where a sentence or a line ends; each passage keeps its
    place in its document. Exit code 3 says that a document cannot be read, 1 that the disk is full.
    """
    from tether.cli.indexing import makers, open_embedder, tokenizer_file
    from tether.grounding.index import build as building

    used = None if embedder is None else open_embedder(embedder, _settings(flags))
    stores = store_makers(store, flags)
    with _reading(paths, skip_bad, max_document) as (meter, corpus, bad):
        change = building.build(
            output,
            meter.reading(corpus),
            makers(None if used is None else lambda: used) + stores,
            tokenizer=tokenizer_file(tokenizer),
            size=chunk,
            overlap=overlap,
            overwrite=overwrite,
            on_bad=bad,
            progress=meter,
        )
    _report(output, change, bad, corpus)


@takes(_MODEL)
def add(
    index: Folder,
    paths: Sources,
    skip_bad: SkipBad = False,
    max_document: LargestOption = 64,
    embedder: EmbedderOption = None,
    **flags: SettingValue,
) -> None:
    """Add documents to an index; one of a name that is there replaces the old one.

    Documents are cut as those of the index were. Vectors are made for what is new only, stores of
    evidence anew by --model; a trained memory is stale until it is trained again.
    """
    from tether.cli.indexing import embedder_of, makers, open_embedder
    from tether.grounding.index import build as building
    from tether.grounding.index.layout import open_manifest

    manifest = open_manifest(index)
    name = embedder or embedder_of(manifest)
    stores = store_makers(stores_of(manifest), flags)
    with _reading(paths, skip_bad, max_document) as (meter, corpus, bad):
        change = building.add(
            index,
            meter.reading(corpus),
            makers(None if name is None else lambda: open_embedder(name, _settings(flags)))
            + stores,
            on_bad=bad,
            progress=meter,
        )
    _report(index, change, bad, corpus)


def delete(
    index: Folder,
    docs: Annotated[
        list[str], typer.Argument(metavar="DOC", help="Names of documents, as a search shows.")
    ],
) -> None:
    """Take documents out of an index: all that are named or, where one is not there, none.

    Stores of evidence are stale until `tether index store` makes them again.
    """
    from tether.cli.indexing import Meter, embedder_of, makers
    from tether.grounding.index import build as building
    from tether.grounding.index.layout import open_manifest

    has_vectors = embedder_of(open_manifest(index)) is not None
    made = makers(_no_embedder if has_vectors else None)
    with Meter() as meter:
        change = building.delete(index, docs, made, progress=meter)
    _report(index, change)


@takes(_MODEL)
def search(
    index: Folder,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY",
            help="A question; `-` or none: one a line from stdin.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[int, typer.Option("-k", min=1, help="Passages to find.")] = 10,
    mode: Annotated[
        Literal["auto", "bm25", "dense", "hybrid"],
        typer.Option(
            help="By words, vectors or both; auto: both where a learned embedder made vectors."
        ),
    ] = "auto",
    as_json: AsJson = False,
    embedder: EmbedderOption = None,
    **flags: SettingValue,
) -> None:
    """Find the passages that answer a question best.

    A line is score, place and text, parted by tabs, with the line ends of the text as blanks. With
    --json it is {passage, doc, start, end, score, text}, and the query where it came from stdin;
    `start` and `end` count characters of the document's text.
    """  # fmt: skip
    from tether.cli.indexing import embedder_of, open_embedder
    from tether.grounding.index import Index

    opened = Index.open(index)
    chosen = opened.usual if mode == "auto" else mode
    name = None if chosen == "bm25" else embedder or embedder_of(opened.manifest)
    used = None if name is None else open_embedder(name, _settings(flags))
    given = None if query == "-" else query
    for question in _asked() if given is None else [given]:
        asked = {"query": question} if given is None else {}
        for hit in opened.search(question, count, chosen, used):
            streams.write_line(_json_line(hit, asked) if as_json else _line(hit))


def info(
    index: Folder,
    documents: Annotated[
        bool, typer.Option("--documents", help="List the names of the documents instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what an index holds, and how it was made."""
    from tether.grounding.index import Index

    opened = Index.open(index)
    if documents:
        for name in opened.passages.names:
            streams.write_line(json.dumps(name, ensure_ascii=False) if as_json else name)
        return
    facts = _facts(opened.manifest)
    if as_json:
        streams.write_line(json.dumps(facts, ensure_ascii=False))
        return
    for part, values in facts["parts"].items():
        shown = ", ".join(f"{key} {value}" for key, value in values.items() if value is not False)
        streams.write_line(f"{part}: {shown}")


def verify(index: Folder) -> None:
    """Read all of an index and compare it with its checksums and counts.

    Exit code 7 says that something is damaged; the message names the part and the cure.
    """
    from tether.cli.indexing import Meter
    from tether.grounding.index.verify import verify

    with Meter() as meter:
        manifest = verify(index, meter)
    for name in sorted(manifest.parts):
        stale = " (stale: made from other passages; make it again)"
        streams.write_line(f"{name}: ok{stale if manifest.is_stale(name) else ''}")


COMMANDS = {
    "build": build,
    "add": add,
    "delete": delete,
    "search": search,
    "info": info,
    "verify": verify,
    "store": store,
    "train-memory": train_memory,
    "train-knob": train_knob,
}

EXAMPLES = {
    "build": """
tether index build notes/ report.pdf -o kb
tether index build corpus.jsonl -o kb --chunk 128 --overlap 16 --skip-bad
tether index build notes/ -o kb --embedder ~/models/all-MiniLM-L6-v2
""",
    "add": "tether index add kb notes/today.md",
    "delete": "tether index delete kb notes/old.md",
    "search": """
tether index search kb "Who pays for the repair?" -k 3
tether index search kb --json < questions.txt
""",
    "info": """
tether index info kb
tether index info kb --documents
""",
    "verify": "tether index verify kb",
    "train-knob": "tether index train-knob rows.jsonl -o model.knob --model ~/models/m",
    "store": """
tether index store kb --store states --store transitions
tether index store kb --store transitions:count --model ~/models/qwen
""",
    "train-memory": """
tether index store kb --store states
tether index train-memory kb --epochs 20
""",
}


@contextmanager
def _reading(
    paths: list[Path], skip_bad: bool, max_document: int
) -> Iterator[tuple[Meter, Corpus, BadDocuments]]:
    """The documents to read, with bars while they are read."""
    from tether.cli.indexing import BadDocuments, Meter
    from tether.grounding.corpus import Corpus

    with Meter() as meter:
        bad = BadDocuments(meter, skip=skip_bad)
        yield meter, Corpus(paths, bad, max_document << 20), bad


def _no_embedder() -> Embedder:
    raise InternalError("Nothing is embedded when documents go.")


def _settings(flags: dict[str, Any]) -> Settings:
    from tether.cli.config.settings import resolve

    return resolve(flags).settings


def _asked() -> Iterator[str]:
    """The lines of standard input that are not blank."""
    from tether.cli.texts import decode

    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("There is no question.", hint="Give it as an argument or by a pipe.")
    for number, line in enumerate(sys.stdin.buffer, 1):
        question = decode(line, f"Line {number} of standard input").strip()
        if question:
            yield question


def _report(
    index: Path, change: Change, bad: BadDocuments | None = None, corpus: Corpus | None = None
) -> None:
    """Say on stderr what became of the index."""
    counts = {key: getattr(change, key) for key in ("added", "replaced", "unchanged", "deleted")}
    if bad is not None and corpus is not None:
        counts["skipped"] = bad.num_skipped
        counts["of unknown format left out"] = corpus.num_left_out
    done = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no change"
    streams.say(f"{index}: {done}; {change.documents} documents, {change.passages} passages.")


def _json_line(hit: Hit, asked: dict[str, str]) -> str:
    passage = hit.passage
    found = {
        "passage": passage.id,
        "doc": passage.doc,
        "start": passage.start,
        "end": passage.end,
        "score": round(hit.score, 6),  # the last digits depend on the machine
        "text": passage.text,
    }
    return json.dumps(asked | found, ensure_ascii=False)


def _line(hit: Hit) -> str:
    passage = hit.passage
    text = " ".join(passage.text.split())
    return f"{hit.score:.4f}\t{passage.doc}:{passage.start}-{passage.end}\t{text}"


def _facts(manifest: Manifest) -> dict[str, Any]:
    """What `info` says of an index."""
    parts = {
        name: {
            **part.facts,
            "bytes": sum(file.bytes for file in part.files.values()),
            "stale": manifest.is_stale(name),
        }
        for name, part in sorted(manifest.parts.items())
    }
    return {"index": str(manifest.path), "made_by": manifest.made_by, "parts": parts}
