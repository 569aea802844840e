"""Findings about a schema: typos, contradictions, what has no effect, what is dear. No engine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from tether.errors import SchemaError
from tether.grammars.findings import Finding
from tether.grammars.json_schema.lint.messages import SCHEMA
from tether.grammars.json_schema.lint.own import own_findings, refusal
from tether.grammars.json_schema.size import check_size
from tether.grammars.json_schema.source import read_schema
from tether.grammars.json_schema.walk import subschemas
from tether.types import Json

__all__ = ["ignored_keywords", "refusal", "schema_findings"]

_ORDER = {"error": 0, "warning": 1, "info": 2}


def schema_findings(schema: str | dict[str, Any] | bool) -> list[Finding]:
    """Everything to say about a schema without a vocabulary, errors first."""
    from tether.grammars.json_schema.lint.references import remote_findings

    try:
        value, text = read_schema(schema)
        check_size(text, value)
    except SchemaError as error:
        return [_finding(error)]
    remote = list(remote_findings(value))
    found = [*remote, *_written(value), *([] if remote else _judged(value))]
    return sorted(found, key=lambda finding: _ORDER[finding.level])


def ignored_keywords(schema: str) -> list[Finding]:
    """The keywords of a schema that have no effect as nothing knows them; none if it is no JSON.

    Looks at the keywords alone, so that a run need not wait for it.
    """
    from tether.grammars.json_schema.lint.words import unknown_keywords

    try:
        value, _ = read_schema(schema)
    except SchemaError:
        return []
    own = (own_findings(where, part) for where, part in subschemas(value))
    return [*chain.from_iterable(own), *unknown_keywords(value)]


def _written(schema: Json) -> Iterator[Finding]:
    """What can be seen in the keywords, whether or not they make a schema."""
    from tether.grammars.json_schema.lint.keywords import keyword_findings
    from tether.grammars.json_schema.lint.values import value_findings
    from tether.grammars.json_schema.lint.words import word_findings
    from tether.grammars.json_schema.oracle import draft_of

    yield from word_findings(schema)
    draft = draft_of(schema)
    for where, part in subschemas(schema):
        yield from own_findings(where, part)
        yield from keyword_findings(where, part, draft)
        yield from value_findings(where, part)


def _judged(schema: Json) -> Iterator[Finding]:
    """What is found only in a schema that the oracle takes."""
    from tether.grammars.json_schema.lint.branches import branch_findings
    from tether.grammars.json_schema.lint.contradictions import contradiction_findings
    from tether.grammars.json_schema.lint.cost import cost_findings
    from tether.grammars.json_schema.lint.parts import Parts
    from tether.grammars.json_schema.oracle import Oracle

    if schema is False:
        yield SCHEMA["false"].on("")
        return
    try:
        parts = Parts(Oracle(schema).schema)
    except SchemaError as error:
        yield _finding(error)
        return
    dead = yield from contradiction_findings(parts)
    yield from branch_findings(parts, dead)
    yield from cost_findings(parts)


def _finding(error: SchemaError) -> Finding:
    return Finding("error", error.pointer or "", error.message, error.hint, error.excerpt)
