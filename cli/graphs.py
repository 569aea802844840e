"""Graphs as the settings name them: opened once, over whatever vocabulary asks."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.grammars.vocabulary import Vocabulary
    from tether.graphs import Role
    from tether.grounding.graph.graph import Graph
    from tether.grounding.graph.lookup import Lookup

_MOST_NAMED = 200
"""Predicates and classes that a prompt names: the first ones of each."""


class Source:
    """A graph's folder; see `tether.grammars.sparql.lookup.GraphSource`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lookups: dict[str, Lookup] = {}

    @cached_property
    def graph(self) -> Graph:
        """The graph.

        Raises:
            UnavailableError: There is none, or it is damaged.
        """
        from tether.grounding.graph.graph import Graph as Opened

        return Opened.open(self.path)

    @property
    def digest(self) -> str:
        """A hash of its facts."""
        digest: str = self.graph.facts.part.digest
        return digest

    @property
    def key(self) -> str:
        """Its facts and where they are: what is compiled over it asks the store there."""
        return f"{self.digest} {self.path}"

    @cached_property
    def described(self) -> str:
        """Its predicates and classes as queries write them, in a sentence for a model."""
        return f"Predicates: {self._named('predicate')}. Classes: {self._named('class')}."

    def _named(self, role: Role) -> str:
        from tether.grounding.graph.terms import Shortener

        write, facts = Shortener(self.graph.prefixes), self.graph.facts
        texts = (write.text(facts.terms[int(term)]) for term in facts.roles[role][:_MOST_NAMED])
        return ", ".join(filter(None, texts)) or "none"

    def close(self) -> None:
        """End the process of the graph's store, if there is one."""
        if "graph" in self.__dict__:
            self.graph.close()

    def lookup(self, vocabulary: Vocabulary) -> Lookup:
        """The graph over a vocabulary; its names are cut and kept where they are not yet."""
        if vocabulary.key not in self._lookups:
            self._lookups[vocabulary.key] = self.graph.lookup(vocabulary.key, vocabulary.encode)
        return self._lookups[vocabulary.key]


def source(path: str | None) -> Source | None:
    """The graph at a path.

    Raises:
        UsageError: The path is a file of data, which has to be built first.
    """
    if path is None:
        return None
    if Path(path).is_file():
        raise UsageError(
            f"{path} is a file; --graph takes the folder of a graph.",
            hint=f"Build it once: tether graph build {path} -o NAME",
        )
    return _source(Path(path).resolve())


@lru_cache(maxsize=4)
def _source(path: Path) -> Source:
    return Source(path)


def described(graph: object) -> str:
    """What can be asked of a graph, for the prompt of a model that was not trained on it."""
    return graph.described if isinstance(graph, Source) else "Declare the prefixes that you use."
