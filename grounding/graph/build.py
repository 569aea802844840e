"""A graph made from files: the store first, then facts from it, then names.

What stands in the store counts: facts are read from it, so its way with literals is theirs.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyoxigraph import RdfFormat, Store, parse

from tether.errors import EvidenceError, UnavailableError, UsageError
from tether.grounding.graph.aliases import write_aliases
from tether.grounding.graph.facts import Facts
from tether.grounding.graph.facts_maker import Quads
from tether.grounding.graph.layout import ALIASES, FACTS, GRAPH, NAMES, STORE
from tether.grounding.graph.names import Encode, write_names
from tether.grounding.graph.reading import Source
from tether.grounding.graph.terms import Shortener, bound
from tether.grounding.index.layout import MANIFEST
from tether.grounding.index.maker import Progress, Silent
from tether.grounding.index.writing import Edit, editing

FIRST_USE_S = 60.0
"""How long a first use waits for another one, which makes the same."""
_KEY_LENGTH = 12
_NOT_KEPT = ("LOG*", "LOCK", "OPTIONS-*")
"""Files of the store that hold nothing of the graph, but times and paths of this machine."""


def build(
    path: Path,
    source: Source,
    *,
    prefixes: Iterable[tuple[str, str]] = (),
    language: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make a graph at `path`; returns the facts of its facts.

    Args:
        path: A new or an empty folder.
        source: The files.
        prefixes: Prefixes of names, before those that the files declare.
        language: Name things by their labels of this language ("": of none) instead of IRIs.
        overwrite: Replace a graph that is there; it holds until the new one is whole.
        progress: Where to say how far it is.

    Raises:
        EvidenceError: A file is broken, or there are no triples.
        UsageError: There is a graph, another process writes it, or a file or prefix is no such.
        OutputError: The disk is full, or the like.
    """
    progress, chosen = progress or Silent(), list(prefixes)
    size = source.size  # names missing files before anything is made
    for name, namespace in chosen:
        if not _can_be_declared(name, namespace):
            raise UsageError(
                f"{name!r} for {namespace!r} is no prefix and its IRI.",
                hint="Write both as Turtle has them, such as ex=http://example.org/.",
            )
    if (path / MANIFEST).exists() and not overwrite:
        raise UsageError(
            f"{path} holds a graph already.", hint="Name another folder, or use --overwrite."
        )
    with editing(path, create=True, kind=GRAPH) as edit:
        _put_store(edit, source, size, progress)
        facts = _put_facts(edit, source, chosen, progress)
        if language is not None:
            _put_aliases(edit, language)
        return facts


def add_names(
    path: Path, facts: Facts, writer: Shortener, key: str, encode: Encode, progress: Progress
) -> None:
    """Add the names as tokens of one more vocabulary, whose key is given.

    Raises:
        OutputError: The folder cannot be written.
        UnavailableError: The graph was built anew since it was opened.
        UsageError: Another process writes the graph.
    """
    name = names_part(key)
    advance = progress.stage("names", facts.num_terms)
    stated: dict[str, Any] = {"key": key}

    def write(folder: Path) -> None:
        stated.update(write_names(folder, facts, writer, encode, advance))

    with editing(path, kind=GRAPH, patience_s=FIRST_USE_S) as edit:
        if edit.old.has(name):
            return  # by another process, meanwhile
        if edit.part(FACTS).digest != facts.part.digest:
            raise UnavailableError(
                f"The graph {path} was built anew since it was opened.", hint="Run it again."
            )
        edit.put(name, stated, write)


def _put_aliases(edit: Edit, language: str) -> None:
    stated: dict[str, Any] = {"language": language}
    facts = Facts(edit.part(FACTS))

    def write(folder: Path) -> None:
        prefixes = facts.part.facts["prefixes"]
        stated["aliases"] = write_aliases(folder, facts, prefixes, language)

    edit.put(ALIASES, stated, write)


def _can_be_declared(prefix: str, namespace: str) -> bool:
    with suppress(SyntaxError, UnicodeEncodeError):
        parser = parse(f"@prefix {prefix}: <{namespace}> .".encode(), RdfFormat.TURTLE)
        return not any(parser) and parser.prefixes == {prefix: namespace}
    return False


def names_part(key: str) -> str:
    """The part with the names over the vocabulary of this key."""
    return NAMES + key[:_KEY_LENGTH]


def _put_store(edit: Edit, source: Source, size: int, progress: Progress) -> None:
    advance = progress.stage("reading", size)
    counted: dict[str, Any] = {}

    def write(folder: Path) -> None:
        store = Store(str(folder))
        store.bulk_extend(source.quads(advance))
        store.flush()
        store.optimize()
        counted["quads"] = len(store)
        del store  # closes it
        gc.collect()
        for pattern in _NOT_KEPT:
            for path in folder.glob(pattern):
                path.unlink()

    edit.put(STORE, counted, write)
    if not counted["quads"]:
        raise EvidenceError("The files hold no triples.", hint="Name files that do.")


def _put_facts(
    edit: Edit, source: Source, prefixes: list[tuple[str, str]], progress: Progress
) -> dict[str, Any]:
    stored = edit.part(STORE)
    advance = progress.stage("facts", stored.facts["quads"])
    facts: dict[str, Any] = {
        "files": [path.name for path in source.paths],
        "prefixes": bound(source.prefixes, prefixes),
    }

    def write(folder: Path) -> None:
        facts.update(Quads(Store.read_only(str(stored.folder)), advance).write(folder))

    edit.put(FACTS, facts, write)
    return facts
