"""A graph over one vocabulary, as a matcher asks it.

See the protocol `tether.grammars.sparql.lookup.GraphLookup`, which `Lookup` satisfies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from tether.graphs import Level, Ranks, Role
from tether.grounding.graph.facts import Facts, Ids
from tether.grounding.graph.names import Names
from tether.grounding.graph.oracle import Oracle
from tether.grounding.graph.reducer import Reducer
from tether.grounding.graph.remote_scope import RemoteScope
from tether.grounding.graph.scope import MOST_ROWS, FactsScope, Ground, VocabularyScope
from tether.grounding.graph.shape import Pattern

ASK_S = 2.0
"""What the store may take to answer a check; the next check waits for a new one after that."""
_MOST_BOUND = 200

Scope = VocabularyScope | FactsScope | RemoteScope


class Lookup:
    """Answers the SPARQL matcher.

    Args:
        facts: The facts of the graph.
        names: Its names, over the vocabulary.
        oracle: Its store.
        key: A hash of the graph and of the vocabulary.
        most_rows: What the check of a cycle may cost before the store is asked.
        seconds: What the store may take to answer a check.
    """

    def __init__(
        self,
        facts: Facts,
        names: Names,
        oracle: Oracle,
        key: str,
        most_rows: int = MOST_ROWS,
        seconds: float = ASK_S,
    ) -> None:
        self.key = hashlib.sha256(f"{facts.part.digest} {key}".encode()).hexdigest()
        self.names = names
        self.prefixes: Mapping[str, str] = names.prefixes
        self._facts, self._oracle, self._seconds = facts, oracle, seconds
        self._ground = Ground(facts, names, Reducer(facts), self._patterns, most_rows)

    def role(self, role: Role) -> Ranks:
        """The names that occur in a role, in any graph."""
        return self.names.of_role(role)

    def scope(self, level: Level) -> Scope:
        """The empty conjunction."""
        if level in ("syntax", "vocabulary"):
            return VocabularyScope(self._ground)
        return FactsScope(self._ground, level == "nonempty", level)

    def ask(self, query: str) -> bool | None:
        """Whether a whole query has a row or says yes; None where that is not known in time."""
        return self._oracle.ask(query, self._seconds)

    def refusal(self, query: str) -> str | None:
        """Why the store's own parser refuses a whole query; None where it does not."""
        return self._oracle.refusal(query)

    def _patterns(self, patterns: Sequence[Pattern], bounds: Mapping[str, Ids]) -> bool | None:
        """Whether patterns have a solution with their variables within bounds."""
        variables = dict.fromkeys(t for p in patterns for t in p if isinstance(t, str))
        written = {variable: f"?v{number}" for number, variable in enumerate(variables)}
        tight = {v: bounds[v] for v in variables if v in bounds}
        if any(len(ids) > _MOST_BOUND for ids in tight.values()):
            return None
        lines = [f"VALUES {written[v]} {{ {self._list(ids)} }}" for v, ids in tight.items()]
        lines += [" ".join(self._term(t, written) for t in pattern) + " ." for pattern in patterns]
        return self.ask("ASK {\n" + "\n".join(lines) + "\n}")

    def _list(self, ids: Ids) -> str:
        return " ".join(self._facts.terms[int(term)] for term in ids)

    def _term(self, term: str | int, written: Mapping[str, str]) -> str:
        return written[term] if isinstance(term, str) else self._facts.terms[term]
