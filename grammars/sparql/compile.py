"""`sparql(...)`: queries as a constraint, at each level of guarantee."""

from __future__ import annotations

import hashlib
from collections import ChainMap
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import islice
from typing import NamedTuple

from tether.errors import GrammarError, LimitReached, UsageError
from tether.grammars.budget import BudgetedMatcher
from tether.grammars.constraint import Constraint, Matcher
from tether.grammars.engine import EngineConstraint, with_engine_options
from tether.grammars.guarded import GuardedMatcher
from tether.grammars.sparql.checks import check
from tether.grammars.sparql.lookup import LEVELS, GraphLookup, Level
from tether.grammars.sparql.matcher import EndJudge, QueryMatcher, WritingMatcher
from tether.grammars.sparql.progress import Host, declared
from tether.grammars.sparql.scope import Node, child, nodes, unbound
from tether.grammars.sparql.spellings import Spellings
from tether.grammars.sparql.text import parse, prefixed, unescaped
from tether.grammars.sparql.way_out import way_out
from tether.grammars.sparql.writer import Writer
from tether.grammars.vocabulary import Vocabulary

PREFIXES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "schema": "http://schema.org/",
    "dbo": "http://dbpedia.org/ontology/",
    "dbr": "http://dbpedia.org/resource/",
    "wd": "http://www.wikidata.org/entity/",
    "wdt": "http://www.wikidata.org/prop/direct/",
}
"""Prefixes that are declared where a query uses them."""


_KEPT_ANSWERS = 1024
"""Answers of the store, and queries proved without it, that a constraint remembers: forks and ways
out ask the same again."""
_MOST_PREFIXES = 500
"""Prefixes that the grammar of the level `syntax` knows."""


class Verdict(NamedTuple):
    """What holds of a finished query.

    Attributes:
        requested: The level that was asked for.
        reached: The level that holds.
        reason: Why it is below; "" where it is not.
        is_late: Whether it is below for want of time only.
    """

    requested: Level
    reached: Level
    reason: str = ""
    is_late: bool = False

    @property
    def shortfall(self) -> LimitReached | None:
        """The error of a query of which less is known than was asked for."""
        if not self.is_late:
            return None
        return LimitReached(
            f"The guarantee `{self.requested}` was not reached: {self.reason}.",
            hint=f"Ask for `{self.reached}` (--guarantee), or take what there is (--partial).",
        )


def sparql(
    vocab: Vocabulary,
    *,
    guarantee: Level | None = None,
    graph: GraphLookup | None = None,
    prefixes: Mapping[str, str] | None = None,
) -> Constraint:
    """Queries of SPARQL 1.1 that are read-only, local and of bounded size.

    Questions of yes or no and bare counts are never forced to have a solution: at the two upper
    levels they are held to `vocabulary`.

    Args:
        vocab: The tokens.
        guarantee: What is promised; by default `nonempty` over a graph and `syntax` without.
        graph: The graph, over the same vocabulary.
        prefixes: Prefix -> namespace, of what a query need not declare; besides the graph's.

    Raises:
        UsageError: A level above `syntax` is asked for without a graph.
    """
    level = guarantee or ("nonempty" if graph else "syntax")
    if level not in LEVELS:
        raise UsageError(f"{level!r} is no guarantee.", hint=f"Take one of {', '.join(LEVELS)}.")
    own = {**PREFIXES, **(prefixes or {})}
    if level == "syntax":
        return SyntaxConstraint(vocab, own, graph)
    if graph is None:
        raise UsageError(
            f"The guarantee `{level}` needs a graph.", hint="Give --graph, or take `syntax`."
        )
    return GraphConstraint(vocab, graph, level, own)


class Queries:
    """What both kinds of constraint share: the last look at a whole text.

    Attributes:
        level: What is promised.
        own: Prefixes that the host declares besides the graph's.
    """

    vocabulary: Vocabulary
    level: Level
    own: Mapping[str, str]
    graph: GraphLookup | None

    @property
    def key(self) -> str:
        """Hash of the vocabulary, the level, the prefixes and the graph."""
        graph = self.graph.key if self.graph else ""
        parts = ("sparql", self.vocabulary.key, self.level, repr(sorted(self.own.items())))
        return hashlib.sha256("\0".join((*parts, graph)).encode()).hexdigest()

    @cached_property
    def prefixes(self) -> Mapping[str, str]:
        """All that the host declares; a graph whose names are labels has very many."""
        graph = dict(self.graph.prefixes) if self.graph else {}
        return ChainMap(graph, dict(self.own))

    def declared(self, text: str) -> str:
        """A query with the prefixes declared that it uses: what may be sent to any store."""
        return declared(text, self.prefixes)

    def refusal(self, text: str) -> str | None:
        """Why a query is not in the language at all, by our checks and by the store's parser."""
        try:
            check(text, self.prefixes)
        except GrammarError as error:
            return error.message
        return self.graph.refusal(self.declared(text)) if self.graph else None

    def verdict(self, text: str) -> Verdict:
        """What holds of a finished query of the language."""
        return Verdict(self.level, self.level)


class SyntaxConstraint(Queries, Constraint):
    """Queries by the grammar alone, with the static checks at their end."""

    level: Level = "syntax"

    def __init__(
        self, vocab: Vocabulary, own: Mapping[str, str], graph: GraphLookup | None = None
    ) -> None:
        self.vocabulary = vocab
        self.own = own
        self.graph = graph
        few = islice(self.prefixes, _MOST_PREFIXES)
        self._engine = EngineConstraint(with_engine_options(prefixed(few)), vocab)

    def start(self) -> Matcher:
        """A matcher that takes a refused end back."""
        return GuardedMatcher(self._engine.start(), EndJudge(self.refusal))

    def validate(self, text: str) -> str | None:
        """The complaint of the checks; any white space and comments are fine."""
        return self.refusal(text)


class GraphConstraint(Queries, Constraint):
    """Queries of names of a graph, at a level above `syntax`."""

    def __init__(
        self, vocab: Vocabulary, graph: GraphLookup, level: Level, own: Mapping[str, str]
    ) -> None:
        self.vocabulary = vocab
        self.graph: GraphLookup = graph
        self.level = level
        self.own = own
        self._host = Host(graph, level, self.prefixes, lru_cache(_KEPT_ANSWERS)(graph.ask))
        self._writer = Writer(Spellings(vocab))
        self._proved: dict[str, None] = {}

    def start(self) -> Matcher:
        """A matcher at the start of a query."""
        inner = WritingMatcher(self.vocabulary, self._writer, self._host)
        return BudgetedMatcher(QueryMatcher(inner, EndJudge(self.refused, self._prove)), way_out)

    def validate(self, text: str) -> str | None:
        """Why a query of any layout is not what was promised."""
        return self.refusal(text) or self._unknown(text) or self._empty(text)

    def refused(self, text: str) -> str | None:
        """Why a query that was written here is no good; the store is not asked what is proved."""
        complaint = self.refusal(text) or self._unknown(text)
        return complaint if complaint or text in self._proved else self._empty(text)

    def _empty(self, text: str) -> str | None:
        if self.level != "nonempty" or is_open(text) or self._has_row(text) is not False:
            return None
        return "The query has no row over this graph."

    def _has_row(self, text: str) -> bool | None:
        """What the store says of a whole query."""
        return self._host.ask(existence(text))

    def _prove(self, text: str) -> None:
        self._proved[text] = None
        while len(self._proved) > _KEPT_ANSWERS:
            del self._proved[next(iter(self._proved))]

    def verdict(self, text: str) -> Verdict:
        """What holds of a finished query of the language."""
        level = self.level
        if level == "vocabulary":
            return Verdict(level, level)
        if is_open(text):
            return Verdict(level, "vocabulary", "no and 0 are answers too: nothing is forced")
        if level == "adjacent" or self._has_row(text) or text in self._proved:
            return Verdict(level, level)
        reason = "whether it has a row was not known in time"
        return Verdict(level, "adjacent", reason, is_late=True)

    def _unknown(self, text: str) -> str | None:
        """What a query names that is not in the graph, or shows and does not bind."""
        tree = parse(text)
        for name in _constants(tree):
            if self.graph.names.rank(name) is None:
                return f"The graph has no {name}."
        select = child(tree, "select_query")
        if select is not None and (missing := sorted(unbound(select))):
            return f"The query shows ?{missing[0]} and does not bind it."
        return None


def _constants(tree: Node) -> Iterator[str]:
    """The IRIs of a query as it writes them, but for those of datatypes and functions."""
    for node in tree.iter_subtrees():
        if node.data in ("rdf_literal", "function_call", "iri_or_function"):
            continue
        yield from (str(part.children[0]) for part in nodes(node.children) if part.data == "iri")


def existence(text: str) -> str:
    """A question that has the answer yes where a query has a row; most stop at the first solution.

    A SELECT without FROM, HAVING, OFFSET and VALUES at its end has one where its WHERE has.
    """
    tree, read = parse(text), unescaped(text)
    select = child(tree, "select_query")
    if select is None or child(tree, "values_clause") or child(select, "dataset_clause"):
        return text
    where, modifier = child(select, "where_clause"), child(select, "solution_modifier")
    assert where is not None
    drops = ("having_clause", "offset_clause")
    if modifier is not None and any(any(True for _ in modifier.find_data(d)) for d in drops):
        return text
    start, group = select.meta.start_pos, read[where.meta.start_pos : where.meta.end_pos]
    return f"{read[:start]}ASK {group}"


def is_open(text: str) -> bool:
    """Whether a query may well have no solution: ASK, or aggregates of everything there is."""
    tree = parse(text)
    if child(tree, "ask_query") is not None:
        return True
    select = child(tree, "select_query")
    if select is None:
        return False
    clause, modifier = child(select, "select_clause"), child(select, "solution_modifier")
    is_grouped = modifier is not None and child(modifier, "group_clause") is not None
    return (
        not is_grouped
        and clause is not None
        and any(True for item in nodes(clause.children) for _ in item.find_data("aggregate"))
    )
