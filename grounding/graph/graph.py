"""A graph that was built: what it holds, its labels, and the look-up that a matcher asks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from tether.grounding.graph import terms
from tether.grounding.graph.aliases import read_aliases
from tether.grounding.graph.answer import Answer, Limits
from tether.grounding.graph.build import add_names, names_part
from tether.grounding.graph.facts import Facts
from tether.grounding.graph.layout import ALIASES, FACTS, GRAPH, STORE
from tether.grounding.graph.lookup import ASK_S, Lookup
from tether.grounding.graph.mentions import Mentions, add_mentions, has_mentions
from tether.grounding.graph.names import Encode, Names
from tether.grounding.graph.oracle import Oracle
from tether.grounding.graph.scope import MOST_ROWS
from tether.grounding.graph.terms import Shortener
from tether.grounding.index.layout import Manifest, open_manifest
from tether.grounding.index.maker import Progress, Silent

if TYPE_CHECKING:
    from tether.grounding.index.embed import Embedder


class Label(NamedTuple):
    """A label, and what it is the label of, as a query writes it."""

    label: str
    name: str


class Graph:
    """A graph of a folder; opening it reads nothing but the manifest and sizes.

    Attributes:
        path: The folder.
        manifest: What holds in it.
        facts: Its triples as numbers.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.path, self.manifest = manifest.path, manifest
        self.facts = Facts(manifest.part(FACTS))

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The graph at `path`.

        Raises:
            UnavailableError: There is none, or a file is missing or cut.
        """
        manifest = open_manifest(Path(path), GRAPH)
        manifest.check("size")
        return cls(manifest)

    @cached_property
    def oracle(self) -> Oracle:
        """The store, in a process of its own; started when it is first asked."""
        return Oracle(self.manifest.part(STORE).folder)

    @property
    def prefixes(self) -> dict[str, str]:
        """Prefix -> namespace, as the data and the builder declared them."""
        return dict(self.manifest.part(FACTS).facts["prefixes"])

    @property
    def declared(self) -> dict[str, str]:
        """Every prefix of a name -> what it stands for."""
        return {**self.prefixes, **{name: iri[1:-1] for iri, name in self.aliases.items()}}

    @cached_property
    def aliases(self) -> dict[str, str]:
        """`<IRI>` -> a prefix that stands for it, where things are named by labels."""
        if not self.manifest.has(ALIASES):
            return {}
        return read_aliases(self.manifest.part(ALIASES), self.facts)

    def writer(self) -> Shortener:
        """What writes terms as queries over this graph do."""
        return Shortener(self.prefixes, self.aliases)

    def has_names(self, key: str) -> bool:
        """Whether the names are there as tokens of the vocabulary with this key."""
        return self.manifest.has(names_part(key))

    def lookup(
        self,
        key: str,
        encode: Encode,
        *,
        most_rows: int = MOST_ROWS,
        seconds: float = ASK_S,
        progress: Progress | None = None,
    ) -> Lookup:
        """The graph over one vocabulary; its names are made and kept if they are not there yet.

        Args:
            key: The key of the vocabulary.
            encode: The canonical tokens of a text.
            most_rows: What the check of a cycle may cost before the store is asked.
            seconds: What the store may take to answer a check.
            progress: Where to say how far the making of names is.

        Raises:
            OutputError: The names are not there, and the folder cannot be written.
        """
        if not self.has_names(key):
            shown = progress or Silent()
            add_names(self.path, self.facts, self.writer(), key, encode, shown)
            self.manifest = open_manifest(self.path, GRAPH)
        names = Names(self.manifest.part(names_part(key)), self.facts, encode, self.aliases)
        return self._over(names, key, most_rows, seconds)

    def _over(self, names: Names, key: str, most_rows: int, seconds: float) -> Lookup:
        return Lookup(self.facts, names, self.oracle, key, most_rows, seconds)

    def mentions(
        self, embedder: Embedder | None = None, progress: Progress | None = None
    ) -> Mentions:
        """What finds the names that a question mentions; made and kept if it is not there yet.

        Args:
            embedder: What it shall be able to ask beside words.
            progress: Where to say how far the making is.

        Raises:
            OutputError: It is not there, and the folder cannot be written.
        """
        if not has_mentions(self.manifest, embedder):
            add_mentions(self.path, self.facts, embedder, progress or Silent())
            self.manifest = open_manifest(self.path, GRAPH)
        return Mentions(self.manifest, self.facts)

    def labels(self, prefix: str = "", language: str | None = None) -> Iterator[Label]:
        """Labels that begin with `prefix`, whatever the case, in their order.

        Args:
            prefix: The beginning.
            language: Only those of this language (`en` takes `en-GB` too); "" for those of none.
        """
        writer = self.writer()
        pairs: dict[tuple[str, int], None] = {}
        for predicate in filter(None, map(self.facts.id, terms.LABELS)):
            rows = self.facts.rows("predicate", np.array([predicate], np.int32))
            for subject, label in zip(rows.subject, rows.object, strict=True):
                text = self.facts.terms[int(label)]
                if text[0] == '"' and _speaks(text, language):
                    pairs[terms.value(text), int(subject)] = None
        wanted = prefix.casefold()
        for label, subject in sorted(pairs, key=lambda pair: (pair[0].casefold(), *pair)):
            name = writer.text(self.facts.terms[subject])
            if name is not None and label.casefold().startswith(wanted):
                yield Label(label, name)

    def rows(self, query: str, limits: Limits) -> Answer:
        """All rows of a reading query; prefixes of the graph hold where it declares none.

        Raises:
            GrammarError: The query is refused.
            LimitReached: It costs more than `limits`.
        """
        return self.oracle.rows(query, limits, self.declared)

    def close(self) -> None:
        """End the oracle's process."""
        self.oracle.close()


def _speaks(literal: str, language: str | None) -> bool:
    found = terms.language(literal)
    return language is None or found == language or found.startswith(f"{language}-")
