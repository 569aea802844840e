"""`tether index delete`: documents that go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tether.cli.commands.index.options import Folder
from tether.errors import InternalError

if TYPE_CHECKING:
    from tether.grounding.index.embed import Embedder

EXAMPLES = "tether index delete kb notes/old.md"


def run(
    index: Folder,
    docs: Annotated[
        list[str], typer.Argument(metavar="DOC", help="Names of documents, as a search shows.")
    ],
) -> None:
    """Take documents out of an index: all that are named or, where one is not there, none.

    Stores of evidence are stale until `tether index store` makes them again.
    """
    from tether.cli.indexing import embedder_of, makers, report
    from tether.cli.meter import Meter
    from tether.grounding.index import build as building
    from tether.grounding.index.by_words import engine_of
    from tether.grounding.index.layout import open_manifest

    manifest = open_manifest(index)
    used = None if embedder_of(manifest) is None else _no_embedder
    made = makers(used, engine_of(manifest))
    with Meter() as meter:
        change = building.delete(index, docs, made, progress=meter)
    report(index, change)


def _no_embedder() -> Embedder:
    raise InternalError("Nothing is embedded when documents go.")
