"""Whether a graph is what it says: every checksum, and its parts against each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pyoxigraph import Store

from tether.errors import UnavailableError
from tether.grounding.graph.facts import Facts
from tether.grounding.graph.layout import FACTS, GRAPH, NAMES, STORE
from tether.grounding.index.layout import Damage, Manifest, open_manifest
from tether.grounding.index.maker import Progress
from tether.grounding.index.strings import load_array


def verify(path: Path, progress: Progress) -> Manifest:
    """The manifest of a graph in which everything is as it was written.

    Raises:
        UnavailableError: Something is damaged; the message names the first file, the excerpt the
            others, the hint the cure.
    """
    manifest = open_manifest(path, GRAPH)
    advance = progress.stage("checksums", len(manifest.parts))
    found: list[Damage] = []
    for done, name in enumerate(sorted(manifest.parts), 1):
        found += manifest.damages("sha256", (name,))
        advance(done)
    found = found or list(_contradictions(manifest))
    if not found:
        return manifest
    lines = [f"part '{damage.part}', {damage.file} {damage.reason}." for damage in found]
    raise UnavailableError(
        f"The graph {path} is damaged: {lines[0]}",
        excerpt="\n".join(lines[1:]),
        hint=f"Restore these files from a copy, or build the graph again: tether graph build "
        f"DATA... -o {path} --overwrite",
    )


def _contradictions(manifest: Manifest) -> Iterator[Damage]:
    """What is wrong between files that are as they were written."""
    facts = Facts(manifest.part(FACTS))
    stated = facts.part.facts
    if (stated["terms"], stated["triples"]) != (facts.num_terms, facts.num_triples):
        yield Damage(FACTS, "manifest.json", "counts other terms or triples than there are")
    if len(Store.read_only(str(manifest.part(STORE).folder))) != stated["quads"]:
        yield Damage(STORE, "the store", "holds another number of quads than the facts")
    for name in manifest.parts:
        if name.startswith(NAMES) and not manifest.is_stale(name):
            ranks = load_array(manifest.part(name).folder / "ranks.npy", "int32", 1)
            if len(ranks) != facts.num_terms or int(np.max(ranks, initial=-1)) >= _count(
                name, manifest
            ):
                yield Damage(name, "ranks.npy", "names other terms than there are")


def _count(name: str, manifest: Manifest) -> int:
    return int(manifest.part(name).facts["names"])
