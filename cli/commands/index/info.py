"""`tether index info`: what an index holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tether.cli import streams
from tether.cli.commands.index.options import AsJson, Folder

if TYPE_CHECKING:
    from tether.grounding.index.layout import Manifest

EXAMPLES = """
tether index info kb
tether index info kb --documents
"""


def run(
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
