"""A graph that an endpoint holds, asked as one that lies here: its summary gives the names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from tether.errors import GrammarError, LimitReached, UnavailableError
from tether.graphs import Level
from tether.grounding.graph.answer import Answer, Limits
from tether.grounding.graph.facts import Facts
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.layout import STORE
from tether.grounding.graph.lookup import Lookup, Scope
from tether.grounding.graph.names import Names
from tether.grounding.graph.oracle import Oracle
from tether.grounding.graph.remote import Endpoint
from tether.grounding.graph.remote_scope import MOST_CANDIDATES, RemoteGround, RemoteScope
from tether.grounding.graph.scope import MOST_ROWS
from tether.grounding.graph.summary import summary
from tether.grounding.index.maker import Progress

T = TypeVar("T")

ASK_S = 10.0
"""What an endpoint may take to answer a check."""
_KEPT_ANSWERS = 4096
_PROBE = Limits(seconds=ASK_S, rows=MOST_CANDIDATES + 1)


class RemoteOracle(Oracle):
    """The endpoint as the judge of what holds; the parser of a store here reads queries first."""

    def __init__(self, endpoint: Endpoint, store: Path) -> None:
        super().__init__(store)
        self.endpoint = endpoint

    def ask(self, query: str, seconds: float) -> bool | None:
        """Whether a query has a row or says yes; None where the endpoint does not say in time."""
        try:
            return self.endpoint.ask(query, seconds)
        except GrammarError:  # no endpoint takes all of SPARQL
            return None

    def rows(self, query: str, limits: Limits, prefixes: Mapping[str, str] | None = None) -> Answer:
        """All rows of a query that declares its prefixes.

        Raises:
            GrammarError: The query is refused.
            LimitReached: It costs more than `limits`.
            UnavailableError: The endpoint cannot be asked.
        """
        return self.endpoint.rows(query, limits)


class RemoteLookup(Lookup):
    """Answers the SPARQL matcher by asking the endpoint; what it said is kept for a while."""

    def __init__(self, facts: Facts, names: Names, oracle: RemoteOracle, key: str) -> None:
        super().__init__(facts, names, oracle, key, MOST_ROWS, ASK_S)
        self._remote = RemoteGround(facts, names, _Remembered(self._terms), _Remembered(self.ask))
        self._endpoint = oracle.endpoint

    def scope(self, level: Level) -> Scope:
        """The empty conjunction."""
        if level in ("syntax", "vocabulary"):
            return super().scope(level)
        return RemoteScope(self._remote, level == "nonempty", level)

    def _terms(self, query: str) -> Sequence[str] | None:
        """The first column of a query; None where the endpoint does not say in time."""
        try:
            rows = self._endpoint.rows(query, _PROBE).rows
        except (GrammarError, LimitReached, UnavailableError):
            return None
        return [row[0] for row in rows if row[0] is not None]


class RemoteGraph(Graph):
    """A graph that an endpoint holds.

    Attributes:
        endpoint: Where it is.
        is_whole: Whether the summary is all of it, so that joins are computed here.
    """

    endpoint: Endpoint
    is_whole: bool

    @classmethod
    def at(cls, endpoint: Endpoint, cache: Path, progress: Progress | None = None) -> RemoteGraph:
        """The graph of an endpoint, whose summary is made and kept where it is not yet.

        Raises:
            EvidenceError: The endpoint holds no triples.
            LimitReached: The endpoint takes too long to say what it holds.
            OutputError: The summary cannot be kept.
            UnavailableError: The endpoint cannot be asked.
        """
        folder, is_whole = summary(endpoint, cache, progress)
        graph = cls.open(folder)
        graph.endpoint, graph.is_whole = endpoint, is_whole
        return graph

    @cached_property
    def oracle(self) -> RemoteOracle:
        """The endpoint."""
        return RemoteOracle(self.endpoint, self.manifest.part(STORE).folder)

    def _over(self, names: Names, key: str, most_rows: int, seconds: float) -> Lookup:
        if self.is_whole:
            return super()._over(names, key, most_rows, seconds)
        return RemoteLookup(self.facts, names, self.oracle, key)


class _Remembered(Generic[T]):
    """A question whose answers are kept; that there was none is not."""

    def __init__(self, ask: Callable[[str], T | None]) -> None:
        self._kept = lru_cache(_KEPT_ANSWERS)(self._sure)
        self._ask = ask

    def __call__(self, query: str) -> T | None:
        """The answer."""
        try:
            return self._kept(query)
        except LookupError:
            return None

    def _sure(self, query: str) -> T:
        answer = self._ask(query)
        if answer is None:
            raise LookupError
        return answer
