"""`tether index add`: documents that come to an index, or replace those of their names."""

from __future__ import annotations

from tether.cli.commands.index.options import (
    MODEL,
    EmbedderOption,
    Folder,
    LargestOption,
    SkipBad,
    Sources,
)
from tether.cli.kinds import SettingValue
from tether.cli.options import takes

EXAMPLES = "tether index add kb notes/today.md"


@takes(MODEL)
def run(
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
    from tether.cli.indexing import (
        embedder_of,
        makers,
        open_embedder,
        reading,
        report,
        settings_of,
        store_makers,
        stores_of,
    )
    from tether.grounding.index import build as building
    from tether.grounding.index.by_words import engine_of
    from tether.grounding.index.layout import open_manifest

    manifest = open_manifest(index)
    name = embedder or embedder_of(manifest)
    used = None if name is None else lambda: open_embedder(name, settings_of(flags))
    made = makers(used, engine_of(manifest)) + store_makers(stores_of(manifest), flags)
    with reading(paths, skip_bad, max_document) as (meter, corpus, bad):
        change = building.add(index, meter.reading(corpus), made, on_bad=bad, progress=meter)
    report(index, change, bad, corpus)
