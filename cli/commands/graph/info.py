"""`tether graph info`: what a graph holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tether.cli import streams
from tether.cli.commands.graph.options import AsJson, Folder

if TYPE_CHECKING:
    from tether.grounding.index.layout import Manifest

EXAMPLES = "tether graph info kg --json"
_COUNTS = ("quads", "triples", "terms", "predicates", "names", "aliases", "bytes")


def run(graph: Folder, as_json: AsJson = False) -> None:
    """Show what a graph holds, and how it was made."""
    from tether.grounding.graph.graph import Graph

    facts = _facts(Graph.open(graph).manifest)
    if as_json:
        streams.write_line(json.dumps(facts, ensure_ascii=False))
        return
    for part, values in facts["parts"].items():
        shown = ", ".join(f"{name} {values[name]}" for name in _COUNTS if name in values)
        streams.write_line(f"{part}: {shown}")


def _facts(manifest: Manifest) -> dict[str, Any]:
    """What `info` says of a graph."""
    parts = {
        name: {**part.facts, "bytes": sum(file.bytes for file in part.files.values())}
        for name, part in sorted(manifest.parts.items())
    }
    return {"graph": str(manifest.path), "made_by": manifest.made_by, "parts": parts}
