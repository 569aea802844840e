"""What a grammar without context cannot refuse: scope, labels, arity, prefixes; and what is unsafe.

The standard's notes to its grammar (section 19.8) and its rules of scope, on trees of
`sparql.lark`. The store's own parser stays the last judge of what is executed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tether.errors import GrammarError
from tether.grammars.sparql.scope import check_group, check_select, nodes
from tether.grammars.sparql.text import parse

if TYPE_CHECKING:
    from tether.grammars.sparql.scope import Node

_BREAKS = frozenset(
    ["group_or_union_graph_pattern", "optional_graph_pattern", "minus_graph_pattern", "bind",
     "graph_graph_pattern", "inline_data", "service_graph_pattern", "sub_select"]
)  # fmt: skip
"""What ends a basic graph pattern; filters do not."""


def check(text: str, prefixes: Collection[str] = ()) -> Node:
    """The tree of a query that may be run: well-formed, read-only, of bounded size, local.

    Args:
        text: The query.
        prefixes: Prefixes that the host declares, without their colons.

    Raises:
        GrammarError: It may not.
    """
    tree = parse(text)
    for node in tree.iter_subtrees():
        if node.data == "service_graph_pattern":
            raise GrammarError(
                "The query calls SERVICE, which would send data to another machine.",
                hint="Query one graph at a time.",
            )
    check_static(tree, prefixes)
    return tree


def check_static(tree: Node, prefixes: Collection[str] = ()) -> None:
    """Refuse what only its context makes wrong.

    Raises:
        GrammarError: Something is.
    """
    for node in tree.iter_subtrees():
        if node.data == "group_graph_pattern":
            check_group(node)
        elif node.data in {"select_query", "sub_select"}:
            check_select(node)
        elif node.data == "inline_data_full":
            _check_rows(node)
        elif node.data in {"filter", "bind"}:
            _check_no_aggregate(node)
    _check_labels(tree)
    _check_prefixes(tree, prefixes)


def _check_rows(data: Node) -> None:
    parts = list(nodes(data.children))
    wide = sum(part.data == "var" for part in parts)
    for row in (part for part in parts if part.data == "data_row"):
        if len(row.children) != wide:
            raise GrammarError(
                f"A row of VALUES holds {len(row.children)} values for {wide} variables.",
                hint="Write one value for each variable; UNDEF leaves one open.",
            )


def _check_no_aggregate(node: Node) -> None:
    if any(True for _ in node.find_data("aggregate")) and not any(
        True for _ in node.find_data("sub_select")
    ):
        raise GrammarError(
            "FILTER and BIND cannot hold aggregates.", hint="Use HAVING, or a sub-select."
        )


def _check_labels(tree: Node) -> None:
    """Refuse a blank-node label in two basic graph patterns."""
    homes: dict[str, int] = {}
    count = 0

    def walk(node: Node) -> None:
        nonlocal count
        if node.data == "blank_node" and node.children:
            label = str(node.children[0])
            if homes.setdefault(label, count) != count:
                raise GrammarError(
                    f"The label {label} stands in two separate patterns.",
                    hint="Use a variable: a label holds within one pattern only.",
                )
        breaks = node.data in _BREAKS
        count += breaks
        for part in nodes(node.children):
            if part.data == "group_graph_pattern":
                count += 1
            walk(part)
        count += breaks

    walk(tree)


def _check_prefixes(tree: Node, prefixes: Collection[str]) -> None:
    declared = set(prefixes)
    for node in tree.find_data("prefix_decl"):
        declared.add(str(node.children[0])[:-1])
    for node in tree.find_data("iri"):
        text = str(node.children[0])
        prefix, colon, _ = text.partition(":")
        if not text.startswith("<") and colon and prefix not in declared:
            raise GrammarError(
                f"The prefix `{prefix}:` is not declared.",
                hint=f"Begin the query with `PREFIX {prefix}: <...>`, or write the whole IRI.",
            )
