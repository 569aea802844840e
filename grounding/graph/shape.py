"""The shape of joined patterns: which of them form one, and which of those a cycle.

Patterns and variables are the two sides of a graph; where it is a forest, it has no core.

Source: leaves are removed as by Graham's reduction (1979).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

Pattern = tuple[str | int, str | int, str | int]
"""Subject, predicate, object: a variable by its name, or a term by its id."""


def variables_of(pattern: Pattern) -> list[str]:
    """The variables of a pattern, each once."""
    return list(dict.fromkeys(term for term in pattern if isinstance(term, str)))


def variables(patterns: Sequence[Pattern]) -> list[str]:
    """The variables of patterns, each once."""
    return list(dict.fromkeys(v for pattern in patterns for v in variables_of(pattern)))


def is_twin(one: Pattern, other: Pattern) -> bool:
    """Whether two patterns are over the same two variables."""
    shared = set(variables_of(one))
    return one != other and len(shared) == 2 and shared == set(variables_of(other))


def cores(patterns: Sequence[Pattern]) -> list[list[Pattern]]:
    """What is left of patterns without the leaves of their graph, in parts that share nothing.

    Twins count as one pattern, since they are reduced as one; a forest leaves nothing.
    """
    own = [p for i, p in enumerate(patterns) if not any(is_twin(p, q) for q in patterns[:i])]
    joined = {pattern: set(variables_of(pattern)) for pattern in own}
    size = -1
    while size != (size := sum(map(len, joined.values()))):
        counts = Counter(v for found in joined.values() for v in found)
        joined = {p: {v for v in found if counts[v] > 1} for p, found in joined.items()}
        joined = {p: found if len(found) > 1 else set() for p, found in joined.items()}
    kept = [
        p for p in patterns if any(vs and (p == q or is_twin(p, q)) for q, vs in joined.items())
    ]
    return list(_parts(kept))


def component(patterns: Sequence[Pattern], around: Pattern) -> list[Pattern]:
    """The patterns that variables join to one, itself among them."""
    return next(_parts([around, *(p for p in patterns if p != around)]))


def _parts(patterns: Sequence[Pattern]) -> Iterator[list[Pattern]]:
    """Patterns parted so that no variable is in two parts; the first one's part first."""
    left = list(patterns)
    while left:
        part, waiting = [], [left.pop(0)]
        while waiting:
            part.append(waiting.pop())
            own = set(variables_of(part[-1]))
            waiting += [p for p in left if own.intersection(variables_of(p))]
            left = [p for p in left if p not in waiting]
        yield part
