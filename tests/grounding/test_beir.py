"""BEIR folders: what is read, and metrics against numbers worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tether.errors import EvidenceError
from tether.grounding.index.beir import documents, judge, judgements, ndcg, queries, recall


def folder(path: Path, qrels: str = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n") -> Path:
    corpus = [
        {"_id": "d1", "title": "A", "text": "first"},
        {"_id": "d2", "title": "", "text": "söcond", "metadata": {"x": 1}},
        {"_id": "d3", "text": "third"},
    ]
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in corpus)
    (path / "corpus.jsonl").write_text(rows, encoding="utf-8")
    (path / "queries.jsonl").write_text('{"_id": "q1", "text": "who?"}\n\n', encoding="utf-8")
    (path / "qrels").mkdir()
    (path / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    return path


def test_a_folder_is_read(tmp_path: Path) -> None:
    path = folder(tmp_path)
    assert list(documents(path)) == [("d1", "A\nfirst"), ("d2", "söcond"), ("d3", "third")]
    assert queries(path) == {"q1": "who?"}
    assert judgements(path) == {"q1": {"d1": 2, "d2": 0}}


def test_the_header_may_be_missing_and_ends_of_lines_differ(tmp_path: Path) -> None:
    assert judgements(folder(tmp_path, "q1\td1\t1\r\nq2\td3\t-1\r\n")) == {
        "q1": {"d1": 1},
        "q2": {"d3": -1},
    }


def test_ndcg_by_hand() -> None:
    grades = {"a": 3, "b": 2, "c": 1, "x": 0, "y": -1}
    ideal = 3 + 2 / math.log2(3) + 1 / 2
    assert ndcg(["a", "b", "c"], grades) == 1
    assert ndcg(["b", "x", "a", "y"], grades) == pytest.approx((2 + 3 / 2) / ideal)
    assert ndcg(["x", "y", "z"], grades) == 0
    assert ndcg(["z", "a", "b"], grades, depth=2) == pytest.approx(
        (3 / math.log2(3)) / (3 + 2 / math.log2(3))
    )
    assert ndcg(["a"], {}) == 0
    assert ndcg(["z"] * 9 + ["a"], {"a": 1}) == pytest.approx(1 / math.log2(11))
    assert ndcg(["z"] * 10 + ["a"], {"a": 1}) == 0


def test_recall_by_hand() -> None:
    grades = {"a": 3, "b": 1, "c": 1, "x": 0}
    assert recall(["a", "x", "c"], grades) == pytest.approx(2 / 3)
    assert recall(["x", "z"], grades) == 0
    assert recall(["z"] * 10 + ["a", "b", "c"], grades) == 0
    assert recall(["a"], {"x": 0}) == 0


def test_means_are_over_queries_with_something_relevant() -> None:
    grades = {"q1": {"a": 1}, "q2": {"a": 1, "b": 1}, "q3": {"a": 0}, "q4": {"b": 1}}
    quality = judge({"q1": ["a"], "q2": ["z", "a"], "q3": ["a"]}, grades)
    second = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert quality.num_queries == 3
    assert quality.ndcg == pytest.approx((1 + second + 0) / 3)
    assert quality.recall == pytest.approx((1 + 0.5 + 0) / 3)


def test_the_query_itself_and_repeated_documents_are_taken_out() -> None:
    quality = judge({"q1": ["q1", "b", "b", "a"]}, {"q1": {"a": 1}}, depth=2)
    assert quality.ndcg == pytest.approx(1 / math.log2(3))
    assert quality.recall == 1


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("queries.jsonl", '{"_id": "q"}\n', "queries.jsonl:1 has no string 'text'"),
        ("queries.jsonl", '{"_id": 1, "text": "x"}\n', "queries.jsonl:1 has no string '_id'"),
        ("queries.jsonl", "\n[1]\n", "queries.jsonl:2 holds no JSON object"),
        ("queries.jsonl", "{\n", "queries.jsonl:1 is no JSON"),
        ("qrels/test.tsv", "a\tb\tscore\nq\td\n", "test.tsv:2 is not query"),
        ("qrels/test.tsv", "a\tb\tscore\nq\td\tx\n", "test.tsv:2 is not query"),
        ("qrels/test.tsv", "q d 1\n", "test.tsv:1 is not query"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = folder(tmp_path)
    (path / name).write_text(text, encoding="utf-8")
    with pytest.raises(EvidenceError) as caught:
        judgements(path) if "qrels" in name else queries(path)
    assert says in caught.value.message
    assert "corpus.jsonl" in caught.value.hint


def test_missing_and_undecodable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"corpus\.jsonl cannot be read"):
        list(documents(tmp_path))
    path = folder(tmp_path)
    (path / "queries.jsonl").write_bytes(b'{"_id": "q", "text": "\xff"}\n')
    with pytest.raises(EvidenceError, match=r"queries\.jsonl cannot be read"):
        queries(path)
