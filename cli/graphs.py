"""Graphs as the settings name them: opened once, over whatever vocabulary asks."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tether.errors import EvidenceError, UsageError

if TYPE_CHECKING:
    from tether.cli.config.settings import Resolved
    from tether.grammars.spec import Spec
    from tether.grammars.vocabulary import Vocabulary
    from tether.graphs import Role
    from tether.grounding.graph.graph import Graph
    from tether.grounding.graph.lookup import Lookup

_MOST_NAMED = 200
"""Predicates and classes that a prompt names: the first ones of each."""


class Source:
    """A graph by its folder or its file; see `tether.grammars.sparql.lookup.GraphSource`.

    Args:
        path: A folder made by `tether graph build`, or a file of RDF. The graph of a file is made
            when it is first asked for, and kept among the caches under a hash of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lookups: dict[str, Lookup] = {}

    @cached_property
    def graph(self) -> Graph:
        """The graph.

        Raises:
            UnavailableError: There is none, or it is damaged.
            UsageError: The file is of no known format.
            EvidenceError: The file is broken.
            OutputError: What is made of the file cannot be kept.
        """
        from tether.cli.commands.paths import cache_dir
        from tether.cli.meter import Meter
        from tether.grounding.graph.cached import open_graph

        try:
            with Meter() as meter:
                return open_graph(self.path, cache_dir(), meter)
        except EvidenceError as error:
            raise _named(error, self.path) from None

    @property
    def digest(self) -> str:
        """A hash of its facts."""
        digest: str = self.graph.facts.part.digest
        return digest

    @property
    def key(self) -> str:
        """Its facts and where they are: what is compiled over it asks the store there."""
        return f"{self.digest} {self.graph.path}"

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
        """End the process of the graph's store, if there is one; a server keeps it."""
        if "graph" in self.__dict__ and not kept_open:
            self.graph.close()

    def lookup(self, vocabulary: Vocabulary) -> Lookup:
        """The graph over a vocabulary; its names are cut and kept where they are not yet."""
        if vocabulary.key not in self._lookups:
            from tether.cli.meter import Meter

            graph = self.graph
            with Meter() as meter:
                found = graph.lookup(vocabulary.key, vocabulary.encode, progress=meter)
            self._lookups[vocabulary.key] = found
        return self._lookups[vocabulary.key]


class Remote(Source):
    """A graph by its endpoint.

    Args:
        url: The address; no other host is asked.
    """

    def __init__(self, url: str) -> None:
        super().__init__(Path(url))
        self.url = url

    @cached_property
    def graph(self) -> Graph:
        """The graph; what it holds is asked once a day.

        Raises:
            EvidenceError: The endpoint holds no triples.
            LimitReached: The endpoint takes too long to say what it holds.
            OutputError: What it says cannot be kept.
            UnavailableError: The endpoint cannot be asked.
            UsageError: The address is none.
        """
        from tether.cli.commands.paths import cache_dir
        from tether.cli.meter import Meter
        from tether.grounding.graph.remote import Endpoint
        from tether.grounding.graph.remote_graph import RemoteGraph

        endpoint = Endpoint(self.url)
        with Meter() as meter:
            return RemoteGraph.at(endpoint, cache_dir(), meter)

    @property
    def key(self) -> str:
        """What it holds and where it is."""
        return f"{self.digest} {self.url}"


def named(resolved: Resolved) -> Source | None:
    """The graph that settings name.

    Raises:
        UsageError: They name two.
    """
    if resolved["endpoint"] is None:
        return source(resolved["graph"])
    if resolved["graph"] is not None:
        raise UsageError(
            "A graph and an endpoint are named.", hint="Give --graph or --endpoint, not both."
        )
    return _remote(resolved["endpoint"])


@lru_cache(maxsize=4)
def _remote(url: str) -> Remote:
    return Remote(url)


def source(path: str | None) -> Source | None:
    """The graph at a path."""
    if path is None:
        return None
    found = Path(path).resolve()
    written = found if found.is_file() else found / "manifest.json"
    return _source(found, written.stat().st_mtime_ns if written.is_file() else 0)


@lru_cache(maxsize=4)
def _source(path: Path, changed_ns: int) -> Source:
    """A file or a folder that was changed is another graph."""
    return Source(path)


kept_open = False
"""Whether the processes of stores outlive the command that asked them, as they do in a server."""


def _named(error: EvidenceError, path: Path) -> EvidenceError:
    """What is wrong with a file; where an option of `tether graph build` is the cure, all of it."""
    if "--base" not in error.hint:
        return error
    cure = f"{error.hint.rstrip('.')}: tether graph build {path.name} --base IRI -o FOLDER"
    return EvidenceError(error.message, hint=cure, pointer=error.pointer)


def asked(spec: Spec | None) -> Graph | None:
    """The graph that a query speaks of, where it lies on this machine."""
    held = None if spec is None else spec.graph
    return held.graph if isinstance(held, Source) else None


def described(graph: object) -> str:
    """What can be asked of a graph, for the prompt of a model that was not trained on it."""
    return graph.described if isinstance(graph, Source) else "Declare the prefixes that you use."
