"""Retrieval benchmarks in the BEIR format, which RAR-b shares: reading and judging.

A folder holds `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and
`qrels/SPLIT.tsv` (query, document, grade, under a header line).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tether.errors import EvidenceError

DEPTH = 10
_SHAPE = "A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv."

Grades = dict[str, dict[str, int]]
"""Grades of the judged documents of each query; above 0 is relevant."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the queries that have a relevant document.

    Attributes:
        ndcg: nDCG at the depth, in [0, 1].
        recall: Share of the relevant documents that are within the depth.
        num_queries: Queries judged.
    """

    ndcg: float
    recall: float
    num_queries: int


def documents(folder: Path) -> Iterator[tuple[str, str]]:
    """Id and text of each document, streamed; a title stands on a line of its own before the text.

    Raises:
        EvidenceError: A line is no such document; the message names file and line.
    """
    for row, where in _lines(folder / "corpus.jsonl"):
        title, text = row.get("title") or "", _string(row, "text", where)
        yield _string(row, "_id", where), f"{title}\n{text}" if title else text


def queries(folder: Path) -> dict[str, str]:
    """The text of each query by its id.

    Raises:
        EvidenceError: See `documents`.
    """
    rows = _lines(folder / "queries.jsonl")
    return {_string(row, "_id", where): _string(row, "text", where) for row, where in rows}


def judgements(folder: Path, split: str = "test") -> Grades:
    """The grades in `qrels/SPLIT.tsv`.

    Raises:
        EvidenceError: The file is not there, or a line has not three columns.
    """
    path = folder / "qrels" / f"{split}.tsv"
    grades: Grades = {}
    for number, line in enumerate(_text_lines(path), 1):
        columns = line.split("\t")
        if len(columns) != 3 or (number > 1 and not _is_integer(columns[2])):
            raise EvidenceError(
                f"{path}:{number} is not query, document and grade between tabs.", hint=_SHAPE
            )
        if _is_integer(columns[2]):  # the header's third column is a word
            grades.setdefault(columns[0], {})[columns[1]] = int(columns[2])
    return grades


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], depth: int = DEPTH) -> float:
    """Discounted gain of a ranking over the best possible one's.

    The gain of a document is its grade, its discount 1 / log2(place + 1); so does trec_eval, which
    BEIR uses. Grades below 0 gain nothing.

    Source: Jaervelin and Kekaelaeinen, "Cumulated gain-based evaluation of IR techniques", 2002.
    """
    found = [max(grades.get(document, 0), 0) for document in ranking[:depth]]
    ideal = sorted((max(grade, 0) for grade in grades.values()), reverse=True)[:depth]
    return _gain(found) / _gain(ideal) if any(ideal) else 0.0


def recall(ranking: Sequence[str], grades: Mapping[str, int], depth: int = DEPTH) -> float:
    """Share of the relevant documents among the first `depth` of a ranking."""
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant & set(ranking[:depth])) / len(relevant) if relevant else 0.0


def judge(rankings: Mapping[str, Sequence[str]], grades: Grades, depth: int = DEPTH) -> Quality:
    """How good rankings of document ids are, best first; a query without one scores 0.

    As in BEIR, a document with the query's own id is taken out of its ranking (some sets ask with
    their own documents). A document found by several of its passages counts at its best place.

    Args:
        rankings: Document ids by query id.
        grades: What was judged.
        depth: Places that count, after taking out.
    """
    ndcgs, recalls = [], []
    for query, judged in grades.items():
        if not any(grade > 0 for grade in judged.values()):
            continue
        ranking = [d for d in dict.fromkeys(rankings.get(query, ())) if d != query]
        ndcgs.append(ndcg(ranking, judged, depth))
        recalls.append(recall(ranking, judged, depth))
    count = max(len(ndcgs), 1)
    return Quality(math.fsum(ndcgs) / count, math.fsum(recalls) / count, len(ndcgs))


def _gain(grades: Sequence[int]) -> float:
    return math.fsum(grade / math.log2(place + 1) for place, grade in enumerate(grades, 1))


def _is_integer(text: str) -> bool:
    return text.strip().removeprefix("-").isdecimal()


def _text_lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield line.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(f"{path} cannot be read: {error}.", hint=_SHAPE) from error


def _lines(path: Path) -> Iterator[tuple[dict[str, object], str]]:
    """The object of each line that is not empty, and where it stands."""
    for number, line in enumerate(_text_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise EvidenceError(f"{path}:{number} is no JSON: {error}.", hint=_SHAPE) from error
        if not isinstance(row, dict):
            raise EvidenceError(f"{path}:{number} holds no JSON object.", hint=_SHAPE)
        yield row, f"{path}:{number}"


def _string(row: dict[str, object], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise EvidenceError(f"{where} has no string {key!r}.", hint=_SHAPE)
    return value
