"""`tether graph verify`: a graph against its checksums."""

from __future__ import annotations

from tether.cli import streams
from tether.cli.commands.graph.options import Folder

EXAMPLES = "tether graph verify kg"


def run(graph: Folder) -> None:
    """Read all of a graph and compare it with its checksums and counts.

    Exit code 7 says that something is damaged; the message names the part and the cure.
    """
    from tether.cli.meter import Meter
    from tether.grounding.graph.verify import verify

    with Meter() as meter:
        manifest = verify(graph, meter)
    for name in sorted(manifest.parts):
        streams.write_line(f"{name}: ok")
