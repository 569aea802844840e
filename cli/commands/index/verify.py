"""`tether index verify`: an index against its checksums."""

from __future__ import annotations

from tether.cli import streams
from tether.cli.commands.index.options import Folder

EXAMPLES = "tether index verify kb"


def run(index: Folder) -> None:
    """Read all of an index and compare it with its checksums and counts.

    Exit code 7 says that something is damaged; the message names the part and the cure.
    """
    from tether.cli.meter import Meter
    from tether.grounding.index.verify import verify

    with Meter() as meter:
        manifest = verify(index, meter)
    for name in sorted(manifest.parts):
        stale = " (stale: made from other passages; make it again)"
        streams.write_line(f"{name}: ok{stale if manifest.is_stale(name) else ''}")
