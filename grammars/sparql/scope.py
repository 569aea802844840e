"""Which variables a part of a query binds (section 18.2.1 of SPARQL 1.1), and what breaks that.

Knows trees of `sparql.lark`; every function here walks one kind of node. Depth is bounded before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from tether.errors import GrammarError

if TYPE_CHECKING:
    from lark import Token, Tree

Node: TypeAlias = "Tree[Token]"

_UNSEEN = frozenset(["filter", "minus_graph_pattern", "sub_select", "bind"])
"""Parts whose variables are not in scope outside, or by a rule of their own."""


def nodes(children: list[Node | Token]) -> Iterator[Node]:
    """The children that are no tokens."""
    return (child for child in children if hasattr(child, "data"))  # type: ignore[misc]


def name_of(var: Node) -> str:
    """The name of a `var` node."""
    return str(var.children[0])[1:]


def variables(node: Node) -> set[str]:
    """All variables that a node binds: of patterns, groups and data."""
    if node.data == "var":
        return {name_of(node)}
    if node.data == "sub_select":
        return projected(node)
    if node.data == "bind":
        return {_alias(node)}
    if node.data in _UNSEEN:
        return set()
    return set().union(*(variables(child) for child in nodes(node.children)))


def used(node: Node) -> set[str]:
    """All variables that an expression reads, those inside of aggregates left out."""
    if node.data == "var":
        return {name_of(node)}
    if node.data in {"aggregate", "exists"}:
        return set()
    return set().union(*(used(child) for child in nodes(node.children)))


def projected(query: Node) -> set[str]:
    """The variables of a SELECT's result."""
    clause = child(query, "select_clause")
    assert clause is not None
    if any(str(part) == "*" for part in clause.children):
        where = child(query, "where_clause")
        values = child(query, "values_clause")
        return set().union(*(variables(part) for part in (where, values) if part))
    return {target(item) for item in nodes(clause.children)}


def unbound(query: Node) -> set[str]:
    """The variables that a SELECT shows and its WHERE does not bind."""
    clause, where = child(query, "select_clause"), child(query, "where_clause")
    assert clause is not None
    assert where is not None
    plain = [item for item in nodes(clause.children) if len(list(nodes(item.children))) == 1]
    return {target(item) for item in plain} - variables(where)


def target(item: Node) -> str:
    """The variable that a `select_item` names."""
    return name_of(next(reversed(list(nodes(item.children)))))


def child(node: Node, kind: str) -> Node | None:
    """The first child of a kind."""
    return next((part for part in nodes(node.children) if part.data == kind), None)


def check_group(group: Node) -> None:
    """Refuse a BIND to a variable that its group has bound before it.

    Raises:
        GrammarError: There is one.
    """
    before: set[str] = set()
    for part in _parts(group):
        if part.data == "bind" and _alias(part) in before:
            raise GrammarError(
                f"BIND gives a value to ?{_alias(part)}, which the group has bound already.",
                hint="Give the value a name of its own.",
            )
        before |= variables(part)


def check_select(query: Node) -> None:
    """Refuse names given twice, and what a grouped query cannot show.

    Raises:
        GrammarError: One of them is there.
    """
    clause, where = child(query, "select_clause"), child(query, "where_clause")
    assert clause is not None
    assert where is not None
    bound = variables(where)
    items = list(nodes(clause.children))
    given: set[str] = set()
    for item in items:
        name = target(item)
        if len(list(nodes(item.children))) > 1 and name in bound | given:
            raise GrammarError(
                f"`AS ?{name}` names a variable that has a value already.",
                hint="Give the expression a name of its own.",
            )
        given.add(name)
    modifier = child(query, "solution_modifier")
    grouping = child(modifier, "group_clause") if modifier else None
    if grouping is not None or any(list(item.find_data("aggregate")) for item in items):
        _check_grouped(items, grouping)


def _check_grouped(items: list[Node], grouping: Node | None) -> None:
    if not items:
        raise GrammarError("SELECT * cannot be grouped.", hint="Name the variables to show.")
    keys = {name for part in nodes(grouping.children) for name in _key(part)} if grouping else set()
    for item in items:
        *expression, _ = list(nodes(item.children))
        reads = used(expression[0]) if expression else {target(item)}
        if missing := sorted(reads - keys):
            raise GrammarError(
                f"?{missing[0]} is shown, but it is neither grouped by nor inside an aggregate.",
                hint=f"Add ?{missing[0]} to GROUP BY, or take a COUNT, MIN or SAMPLE of it.",
            )
        keys.add(target(item))


def _key(condition: Node) -> set[str]:
    """The variable by which a `group_condition` can be shown, if any."""
    parts = list(nodes(condition.children))
    return {name_of(parts[-1])} if parts[-1].data == "var" else set()


def _alias(bind: Node) -> str:
    return name_of(list(nodes(bind.children))[-1])


def _parts(group: Node) -> Iterator[Node]:
    body = child(group, "group_graph_pattern_sub")
    return nodes(body.children) if body else iter(())
