"""Whether an index is what it says: every checksum, and the counts of its parts against each other.

Opening an index looks at sizes only; this reads all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tether.errors import UnavailableError
from tether.grounding.index.build import TOKENIZER
from tether.grounding.index.by_words import open_part
from tether.grounding.index.layout import PASSAGES, Damage, Manifest, Part, open_manifest
from tether.grounding.index.maker import Progress
from tether.grounding.index.store import Passages


def verify(path: Path, progress: Progress) -> Manifest:
    """The manifest of an index in which everything is as it was written.

    Raises:
        UnavailableError: Something is damaged; the message names the first part and file, the
            excerpt the others, the hint the cure.
    """
    manifest = open_manifest(path)
    found = list(_damages(manifest, progress))
    if not found:
        return manifest
    lines = [f"part '{damage.part}', {damage.file} {damage.reason}." for damage in found]
    raise UnavailableError(
        f"The index {path} is damaged: {lines[0]}",
        excerpt="\n".join(lines[1:]),
        hint=f"Restore these files from a copy, or build the index again: tether index build "
        f"PATH... -o {path} --overwrite",
    )


def _damages(manifest: Manifest, progress: Progress) -> Iterator[Damage]:
    advance = progress.stage("checksums", len(manifest.parts))
    if PASSAGES not in manifest.parts:
        yield Damage(PASSAGES, "manifest.json", "names no passages")
    for done, name in enumerate(sorted(manifest.parts), 1):
        changed = list(manifest.damages("sha256", (name,)))
        yield from changed
        if not changed and not manifest.is_stale(name):
            yield from _contradictions(manifest, name)
        advance(done)


def _contradictions(manifest: Manifest, name: str) -> Iterator[Damage]:
    """What is wrong with a part whose files are as they were written."""
    part = manifest.parts[name]
    try:
        passages = Passages(manifest.parts[PASSAGES].folder)
        for file, reason in _CHECKS[name](part, passages) if name in _CHECKS else ():
            yield Damage(name, file, reason)
    except UnavailableError as error:
        yield Damage(name, "a file", f"cannot be used: {error.message}")
    except KeyError as error:
        yield Damage(name, "manifest.json", f"lacks the fact {error}")


def _check_passages(part: Part, passages: Passages) -> Iterator[tuple[str, str]]:
    if part.facts["passages"] != len(passages) or part.facts["documents"] != len(passages.names):
        yield "manifest.json", "counts other passages or documents than there are"
    if part.facts["tokenizer"] != part.files[TOKENIZER].sha256:
        yield TOKENIZER, "is not the tokenizer that the passages were cut with"
    if _falls(passages.first) or _falls(passages.texts.offsets) or _falls(passages.names.offsets):
        yield "first.npy", "or another table does not rise"
    if len(passages) and (passages.spans[:, 0] >= passages.spans[:, 1]).any():
        yield "spans.npy", "has a passage that ends before it begins"


def _check_lexical(part: Part, passages: Passages) -> Iterator[tuple[str, str]]:
    counts = open_part(part).counts
    fits = all(part.facts[what] == count for what, count in counts.items())
    if not fits or counts["passages"] != len(passages):
        yield "manifest.json", "counts other passages or words than there are"


def _check_dense(part: Part, passages: Passages) -> Iterator[tuple[str, str]]:
    from tether.grounding.index.dense import Dense

    if len(Dense(part).vectors) != len(passages):
        yield "vectors.npy", "has another number of vectors than there are passages"


def _falls(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> bool:
    return bool((np.diff(values) < 0).any())


_CHECKS: dict[str, Callable[[Part, Passages], Iterator[tuple[str, str]]]] = {
    PASSAGES: _check_passages,
    "lexical": _check_lexical,
    "dense": _check_dense,
}
