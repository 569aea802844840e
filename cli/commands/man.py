"""`tether man`: the manual page, made from the commands themselves."""

from __future__ import annotations

from tether.cli import streams

EXAMPLES = """
tether man | man -l -
tether man > ~/.local/share/man/man1/tether.1
"""


def run() -> None:
    """Print the manual page, in roff."""
    from tether.cli.manual import manual

    streams.write_line(manual())
