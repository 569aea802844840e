"""What a canonical schema leaves as an intersection -> the union that it amounts to.

References are followed and unions multiplied out, so that the library can join the parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import product
from math import prod

from jsonschema_rs import CanonicalSchema
from jsonschema_rs.canonical import (
    AllOfView,
    AnyOfView,
    CanonicalizationError,
    CanonicalKind,
    OneOfView,
    ReferenceView,
)

_MOST_CASES = 64
_LOOSE = (CanonicalKind.NOT, CanonicalKind.RAW)


def resolved(node: CanonicalSchema) -> CanonicalSchema | None:
    """What a chain of references ends at; None where it ends nowhere."""
    seen = set()
    while isinstance(view := node.view(), ReferenceView):
        target = None if view.uri in seen else node.definition(view.uri)
        if target is None:
            return None
        seen.add(view.uri)
        node = target
    return node


def cases(node: CanonicalSchema) -> tuple[list[CanonicalSchema], bool] | None:
    """Schemas whose union holds an intersection, and whether it holds no more.

    None where there are too many or the library cannot join them.
    """
    exact, sides = True, []
    for branch in _flat(node):
        if branch is None or branch.kind in _LOOSE:
            exact = False
            continue
        view = branch.view()
        exact &= not isinstance(view, OneOfView)
        parts = view.branches if isinstance(view, AnyOfView | OneOfView) else [branch]
        sides.append([part for part in map(resolved, parts) if part is not None])
        exact &= len(sides[-1]) == len(parts)
    if not sides or prod(map(len, sides)) > _MOST_CASES:
        return None
    try:
        joined = [reduce(CanonicalSchema.intersect, chosen) for chosen in product(*sides)]
    except CanonicalizationError:
        return None
    return [case for case in joined if case.kind != CanonicalKind.FALSE], exact


def _flat(node: CanonicalSchema) -> Iterator[CanonicalSchema | None]:
    """The parts of an intersection, references to other intersections taken apart.

    An intersection that comes back to itself asks for nothing more there.
    """
    seen, waiting = {node}, [node]
    while waiting:
        view = waiting.pop().view()
        assert isinstance(view, AllOfView)
        for part in map(resolved, view.branches):
            if part is None or part.kind != CanonicalKind.ALL_OF:
                yield part
            elif part not in seen:
                seen.add(part)
                waiting.append(part)
