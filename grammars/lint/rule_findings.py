"""Findings of a rule graph, said with a syntax's own messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches

from tether.grammars.findings import Finding
from tether.grammars.lint.messages import Message
from tether.grammars.lint.rules import RuleGraph


def undefined_findings(
    graph: RuleGraph, source: str, table: Mapping[str, Message], kind: Callable[[str], str]
) -> Iterator[Finding]:
    """Names that are used and not defined, each with the nearest name that is."""
    for reference in graph.undefined():
        near = get_close_matches(reference.name, graph.rules, n=1, cutoff=0.6)
        cure = f"Did you mean {near[0]}?" if near else f"Define {reference.name}, or remove it."
        words = {"kind": kind(reference.name), "name": reference.name, "cure": cure}
        yield table["undefined"].at(source, reference.offset, **words)


def shape_findings(
    graph: RuleGraph, source: str, table: Mapping[str, Message], kind: Callable[[str], str]
) -> Iterator[Finding]:
    """What a grammar without undefined names may still have wrong."""
    endless = {rule.name: rule for rule in graph.endless()}
    if graph.start in endless:
        rule = endless.pop(graph.start)
        yield table["endless_start"].at(source, rule.offset, name=_culprit(graph, endless))
    for rule in endless.values():
        yield table["endless"].at(source, rule.offset, name=rule.name)
    cyclic = {rule.name for rule in graph.cyclic()}
    for name in cyclic:
        yield table["cycle"].at(source, graph.rules[name].offset, name=name)
    for rule in graph.unused():
        yield table["unused"].at(source, rule.offset, kind=kind(rule.name), name=rule.name)
    for rule in graph.left_recursive():
        if rule.name not in cyclic and rule.name not in endless:
            yield table["left_recursion"].at(source, rule.offset, name=rule.name)


def _culprit(graph: RuleGraph, endless: Mapping[str, object]) -> str:
    """The endless rule nearest to the start, or the start itself."""
    body = graph.rules[graph.start].body
    return next((r.name for r in graph.references(body) if r.name in endless), graph.start)
