"""The arguments and options that several of the index commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MODEL = ("model", "device", "dtype")

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
StoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--store",
        metavar="NAME",
        help="Also make what a method of grounding needs: transitions[:count|:logit] (grad), "
        "states (knn), references[:embedder] (caad). Reads all passages with --model; repeated for "
        "several.",
        rich_help_panel="Evidence",
        show_default=False,
    ),
]
