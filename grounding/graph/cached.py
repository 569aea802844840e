"""Graphs of data files that nobody built: made once, kept under a hash of the file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tether.errors import OutputError
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.reading import Source, format_of
from tether.grounding.index.layout import FORMAT, MANIFEST, sha256
from tether.grounding.index.maker import Progress


def open_graph(path: Path, cache: Path, progress: Progress | None = None) -> Graph:
    """The graph of a folder, or of a file of RDF.

    Args:
        path: A folder made by `tether graph build`, or a file such as `company.ttl`.
        cache: Where graphs of files are kept.
        progress: Where to say how far it is.

    Raises:
        UnavailableError: There is no such graph, or it is damaged.
        UsageError: The file is of no known format.
        EvidenceError: The file is broken.
        OutputError: The cache cannot be written.
    """
    if not path.is_file():
        return Graph.open(path)
    format_of(path)
    kept = cache / "graphs" / f"{sha256(path)[:24]}.{FORMAT}"
    if not (kept / MANIFEST).exists():
        try:
            _make(path, kept, progress)
        except OSError as error:
            raise OutputError.from_os(
                f"The graph of {path} cannot be kept at {kept}",
                error,
                hint="Make it elsewhere: tether graph build, then --graph FOLDER.",
            ) from error
    return Graph.open(kept)


def _make(path: Path, kept: Path, progress: Progress | None) -> None:
    """Build aside, then rename; where another process was faster, its graph is as good."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        made = Path(folder) / "graph"
        build(made, Source([path]), progress=progress)
        if not (kept / MANIFEST).exists():
            shutil.rmtree(kept, ignore_errors=True)
            made.replace(kept)
