"""`tether index build`: an index made of files and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tether.cli.commands.index.options import (
    MODEL,
    EmbedderOption,
    LargestOption,
    SkipBad,
    Sources,
    StoreOption,
)
from tether.cli.kinds import SettingValue
from tether.cli.options import takes

LexicalOption = Annotated[
    Literal["bm25s", "tantivy", "auto"],
    typer.Option(
        help="What finds passages by words. Tantivy (`tether[tantivy]`) is for very large indexes: "
        "what comes and goes is indexed, not all of it again; auto: from 1,000,000 passages on, "
        "where it is installed.",
    ),
]

EXAMPLES = """
tether index build notes/ report.pdf -o kb
tether index build corpus.jsonl -o kb --chunk 128 --overlap 16 --skip-bad
tether index build big.jsonl -o kb --lexical tantivy
tether index build notes/ -o kb --embedder ~/models/all-MiniLM-L6-v2
"""


@takes(MODEL)
def run(
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
    lexical: LexicalOption = "bm25s",
    embedder: EmbedderOption = None,
    store: StoreOption = None,
    **flags: SettingValue,
) -> None:
    """Build an index of files and folders.

    A file is a document; a row of jsonl, csv or tsv is one too (`text` or `contents`, `title`,
    `id`). Documents are cut into passages where a sentence or a line ends; each passage keeps its
    place in its document. Exit code 3 says that a document cannot be read, 1 that the disk is full.
    """
    from tether.cli.indexing import (
        makers,
        open_embedder,
        reading,
        report,
        settings_of,
        store_makers,
        tokenizer_file,
    )
    from tether.grounding.index import build as building

    used = None if embedder is None else open_embedder(embedder, settings_of(flags))
    made = makers(None if used is None else lambda: used, lexical) + store_makers(store, flags)
    with reading(paths, skip_bad, max_document) as (meter, corpus, bad):
        change = building.build(
            output,
            meter.reading(corpus),
            made,
            tokenizer=tokenizer_file(tokenizer),
            size=chunk,
            overlap=overlap,
            overwrite=overwrite,
            on_bad=bad,
            progress=meter,
        )
    report(output, change, bad, corpus)
