"""Answers to queries, and how they are written: JSON, CSV, TSV and a table for people.

Source of the formats: SPARQL 1.1 Query Results JSON, CSV and TSV Formats (W3C, 2013).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tether.errors import LimitReached
from tether.grounding.graph.terms import datatype, value

Output = Literal["json", "csv", "tsv", "table"]

_WIDEST = 60


def over(what: str) -> LimitReached:
    """The error for a query whose answer takes more than some limit."""
    return LimitReached(
        f"The query was stopped: its answer takes more than {what}.",
        hint="Ask for less (LIMIT), or raise that limit.",
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What a query may cost; more is an error, never a shortened answer.

    Attributes:
        seconds: Until its answer is whole.
        rows: Of the answer.
        cells: Terms in all rows.
        bytes: Of the terms' texts.
    """

    seconds: float = 10.0
    rows: int = 10_000
    cells: int = 100_000
    bytes: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave.

    Attributes:
        variables: The columns; `subject`, `predicate`, `object` for CONSTRUCT and DESCRIBE.
        rows: Terms as N-Triples texts; None where a variable is unbound.
        yes: The word of an ASK; None for other queries.
    """

    variables: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    yes: bool | None = None

    def write(self, output: Output) -> str:
        """The answer in a format, lines ended."""
        return _WRITERS[output](self)


def _json(answer: Answer) -> str:
    if answer.yes is not None:
        return json.dumps({"head": {}, "boolean": answer.yes}) + "\n"
    bindings = [
        {name: _binding(term) for name, term in zip(answer.variables, row, strict=True) if term}
        for row in answer.rows
    ]
    body = {"head": {"vars": list(answer.variables)}, "results": {"bindings": bindings}}
    return json.dumps(body, ensure_ascii=False) + "\n"


def _binding(term: str) -> Mapping[str, str]:
    if term.startswith("_:"):
        return {"type": "bnode", "value": term[2:]}
    if term.startswith("<"):
        return {"type": "uri", "value": value(term)}
    found, kind = {"type": "literal", "value": value(term)}, datatype(term)
    if kind is not None:
        return {**found, "datatype": value(kind)}
    tail = term[term.rfind('"') + 1 :]
    return {**found, "xml:lang": tail[1:]} if tail else found


def _csv(answer: Answer) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(_head(answer))
    writer.writerows(_plain(answer))
    return stream.getvalue()


def _tsv(answer: Answer) -> str:
    lines = ["\t".join(name if answer.yes is not None else f"?{name}" for name in _head(answer))]
    rows: Sequence[Sequence[str | None]] = answer.rows
    if answer.yes is not None:
        rows = [[json.dumps(answer.yes)]]
    lines += ["\t".join((term or "").replace("\t", "\\t") for term in row) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _table(answer: Answer) -> str:
    rows = [[_clipped(cell) for cell in row] for row in [_head(answer), *_plain(answer)]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _head(answer: Answer) -> list[str]:
    return ["boolean"] if answer.yes is not None else list(answer.variables)


def _plain(answer: Answer) -> list[list[str]]:
    if answer.yes is not None:
        return [[json.dumps(answer.yes)]]
    return [
        [term if term and term.startswith("_:") else value(term) if term else "" for term in row]
        for row in answer.rows
    ]


def _clipped(cell: str) -> str:
    """One line of a table's cell: what would move a terminal's cursor is a blank."""
    shown = "".join(c if c.isprintable() else " " for c in cell)
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"


_WRITERS = {"json": _json, "csv": _csv, "tsv": _tsv, "table": _table}
